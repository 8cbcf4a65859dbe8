//! Stories: the whole path on running processes. Nothing here is mocked but Coze.
//!
//! Each story has an account of its own, and bots and workflows of its own at the stand-in, so that they
//! can run side by side on one stack. Stories that break something have a stack to themselves.

#![expect(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a story fails loudly")]

mod tester; // who tells a story: an account, a key, and what is asked of both sides
mod clients; // the official libraries
mod rsa_pair; // keys of OAuth apps

mod agreement; // what upstream charged = what was billed
mod counting; // the same, call by call, after a storm
mod load; // many mixed calls
mod detour; // a way on which things go wrong

mod whole_path; // one call of each kind, by the official libraries
mod calls; // every billable call of the contract
mod streams; // streams of every shape, and callers who leave
mod sockets; // websockets
mod openai; // the door of OpenAI's libraries
mod curl; // every door, by hand
mod dify; // the door of Dify's libraries: what calls cost
mod dify_apart; // the same: whose what is, and what is refused
mod facade; // the chat facade, its users and guests
mod browsers; // pages and what they may read
mod pitfalls; // what the other stories do not walk into
mod operator; // calls that do not end, and who decides about them
mod prices; // what calls cost
mod schema; // the API, against its own document
mod notices; // streams that end with what they cost
mod oauth; // callers who sign their own requests for tokens
mod console; // the console, in a browser
mod credentials; // what goes upstream in place of the caller's key
mod limits; // how much an account and a key may do
mod keys; // what keys allow, and how they are replaced
mod apart; // what one account made, and another asks for
mod revocation; // how soon a key is good no more
mod refusals; // who is not let in, and what is not let through
mod hostile; // requests that are not what they should be
mod attacks; // connections that mean harm
mod bounds; // what is as large as it may be, and one more
mod secrets; // that are written nowhere
mod crashes; // processes that die
mod stores; // the journals' own store, lost or put back
mod away; // the origin, for days
mod upgrade; // other versions, while calls go on
mod bill; // upstream's own bill
mod soak; // all of it at once
mod storm; // and everything else that breaks
mod documents; // what the documents say of the tests
