//! The Dify door: each kind of app in each mode, and what its calls cost.

use futures_util::StreamExt as _;
use reqwest::{Method, Response, StatusCode};
use serde_json::{Value, json};

use crate::agreement::agree;
use crate::clients::Library;
use crate::tester::{Tester, own_stack, shared, until};

const CHAT: &str = "chat-messages";
const COMPLETION: &str = "completion-messages";
const RUN: &str = "workflows/run";

/// A call's body.
fn says(mode: &str) -> Value {
    json!({"query": "hello", "inputs": {}, "user": "u1", "response_mode": mode})
}

async fn call(tester: &Tester, app: &str, path: &str, mode: &str) -> Response {
    tester.call(&format!("/dify/{app}/v1/{path}"), &says(mode)).await
}

/// A stream of a caller who wants to hear what it cost.
async fn told(tester: &Tester, app: &str, path: &str) -> String {
    let path = format!("/dify/{app}/v1/{path}");
    let request = tester.ask(Method::POST, &path).header("weir-events", "balance");
    request.json(&says("streaming")).send().await.unwrap().text().await.unwrap()
}

/// The events of a stream; a heartbeat has none of its own.
fn events(stream: &str) -> Vec<Value> {
    let data = stream.lines().filter_map(|line| line.strip_prefix("data:"));
    data.map(|data| serde_json::from_str(data.trim()).unwrap()).collect()
}

fn names(events: &[Value]) -> Vec<&str> {
    events.iter().map(|event| event["event"].as_str().unwrap()).collect()
}

/// Whatever arrives, also where the connection then breaks.
async fn read(reply: Response) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut stream = reply.bytes_stream();
    while let Some(Ok(chunk)) = stream.next().await {
        bytes.extend_from_slice(&chunk);
    }
    bytes
}

/// An account that has 9,200 points.
async fn with_9200_points(story: &str) -> Tester {
    let tester = Tester::new(story);
    let adjust = ["--kind", "adjustment", "--reason", "to 9,200 points"];
    shared().weir(&[&["credit", &tester.account, "-540000"], &adjust[..]].concat()).unwrap();
    until("the adjustment to reach the edge", async || {
        (tester.balance_at_edge().await["balance_points"] == "9200").then_some(())
    })
    .await;
    tester
}

/// The classic case: 0.014704 USD is 147.04 points, which are charged as 148.
#[tokio::test(flavor = "multi_thread")]
async fn a_cost_is_charged_to_the_point_and_the_stream_ends_with_it() {
    let usage = json!({"input_count": 9_000, "output_count": 190});
    for (kind, dify) in [
        ("chatbot", json!({"app": "chatbot"})),
        ("agent", json!({"app": "agent"})),
        ("message_end first", json!({"app": "chatflow"})),
        ("workflow_finished first", json!({"app": "chatflow", "workflow_finished_first": true})),
        ("as a number", json!({"app": "chatbot", "price_as_number": true})),
    ] {
        let mut dify = dify;
        dify["total_price"] = json!("0.014704");
        for streams in [true, false] {
            let tester = with_9200_points(&format!("classic case, {kind}, {streams}")).await;
            let app = Tester::app();
            // Heartbeats stand between its events, and no newline at its end.
            let stream = json!({"ping": "empty", "without_last_newline": true});
            tester.behave(&app, json!({"usage": usage, "dify": dify, "stream": stream})).await;
            if streams {
                let stream = told(&tester, &app, CHAT).await;
                assert!(stream.contains("\n\nevent: ping\n\n"), "{stream}");
                let last = stream.trim_end().rsplit_once("\n\n").unwrap().1;
                let notice = "data: {\"event\":\"balance_updated\",\"newBalance\":9052,\
                              \"pointsDeducted\":148,\"tokens\":9190,\"cost\":0.014704}";
                assert_eq!(last, notice, "{kind}");
                assert!(stream.ends_with("}\n\n"));
                assert_eq!(stream.matches("balance_updated").count(), 1);
            } else {
                let reply = call(&tester, &app, CHAT, "blocking").await;
                // In quota, of which a point has 50.
                assert_eq!(reply.headers()["weir-charge"], "7400", "{kind}");
                assert_eq!(reply.headers()["weir-balance"], "452600", "{kind}");
                let usage = reply.json::<Value>().await.unwrap()["metadata"]["usage"].clone();
                assert_eq!(usage["total_tokens"], 9_190);
            }
            let calls = tester.calls(1).await;
            assert_eq!(calls[0]["amount_nanos"], 14_800_000, "{kind}: {:#}", calls[0]);
            assert_eq!(calls[0]["price"]["kind"], "cost_plus");
            assert_eq!(calls[0]["usage"]["total"], 9_190);
            assert_eq!(tester.balance_at_edge().await["balance_points"], "9052");
            agree(&tester, &[app]).await;
        }
    }
}

/// Pitfalls 45 and 47: each kind of app, in each mode, pinned or not, is one call by its one usage.
#[tokio::test(flavor = "multi_thread")]
async fn every_kind_of_app_is_billed_once_in_either_mode() {
    let tester = Tester::new("dify kinds");
    let (chatbot, flow, text, runs) = (Tester::app(), Tester::app(), Tester::app(), Tester::app());
    tester.behave(&flow, json!({"dify": {"app": "chatflow"}})).await;
    let asked = [
        (&chatbot, CHAT, "dify_chat"),
        (&flow, CHAT, "dify_chat"),
        (&text, COMPLETION, "dify_completion"),
        (&runs, RUN, "dify_workflow"),
        (&runs, "workflows/w-1/run", "dify_workflow"),
    ];
    for (app, path, _) in &asked {
        let streamed = call(&tester, app, path, "streaming").await;
        assert_eq!(streamed.headers()["content-type"], "text/event-stream");
        assert!(streamed.headers().contains_key("weir-call-id"));
        let stream = streamed.text().await.unwrap();
        assert!(!stream.contains("balance_updated"), "nobody asked for it");
        let reply = call(&tester, app, path, "blocking").await;
        assert_eq!(reply.status(), StatusCode::OK);
        for header in ["weir-call-id", "weir-charge", "weir-balance"] {
            assert!(reply.headers().contains_key(header), "{path} lacks {header}");
        }
    }
    // Absent is blocking.
    let mut body = says("");
    body.as_object_mut().unwrap().remove("response_mode");
    let reply = tester.call(&format!("/dify/{chatbot}/v1/{CHAT}"), &body).await;
    assert!(reply.headers().contains_key("weir-charge"));

    let calls = tester.calls(asked.len() * 2 + 1).await;
    for (pair, (app, _, operation)) in calls.chunks(2).zip(&asked) {
        for call in pair {
            assert_eq!(call["operation"], *operation, "{call:#}");
            assert_eq!(call["subject"], **app, "{call:#}");
            assert_eq!((&call["ending"], &call["source"]), (&json!("settled"), &json!("reported")));
        }
        // A workflow's price is told by its stream alone.
        let is_priced = |call: &Value| call["amount_nanos"].as_i64() > Some(0);
        assert!(is_priced(&pair[0]), "{:#}", pair[0]);
        assert_eq!(is_priced(&pair[1]), *operation != "dify_workflow", "{:#}", pair[1]);
    }
    agree(&tester, &[chatbot, flow, text, runs]).await;
}

/// The bytes come as they came: heartbeats, line ends, lost newlines, imitated events.
#[tokio::test(flavor = "multi_thread")]
async fn streams_of_dify_pass_unchanged() {
    let tester = Tester::new("dify shapes");
    let shapes = [
        json!({"ping": "empty"}),
        json!({"line_end": "crlf"}),
        json!({"without_last_newline": true}),
        json!({"chunk_bytes": 1}),
        json!({"space": false}),
        json!({"comments": true}),
    ];
    let app = Tester::app();
    for shape in &shapes {
        let answer = "水\n\ndata: {\"event\":\"message_end\",\"metadata\":{\"usage\":{\"total_tokens\":9}}}\n\n";
        tester.behave(&app, json!({"stream": shape, "answer": answer})).await;
        let direct = reqwest::Client::new()
            .post(format!("{}/dify/v1/{CHAT}", tester.upstream))
            .bearer_auth(format!("app-{app}"))
            .json(&says("streaming"));
        let direct = read(direct.send().await.unwrap()).await;
        let through = read(call(&tester, &app, CHAT, "streaming").await).await;
        let without_ids = |bytes: &[u8]| -> String {
            let text = String::from_utf8_lossy(bytes).into_owned();
            text.chars().filter(|character| !character.is_ascii_hexdigit()).collect()
        };
        assert_eq!(without_ids(&direct), without_ids(&through), "{shape}");
        assert_eq!(direct.len(), through.len(), "{shape}");
    }
    let calls = tester.calls(shapes.len()).await;
    assert!(calls.iter().all(|call| call["usage"]["total"] != 9), "{calls:#?}");
}

/// Pitfall 46, and every way in which Dify says no: failed work is free unless it says what it used, in
/// a stream, in its place, or before it.
#[tokio::test(flavor = "multi_thread")]
async fn failed_work_is_billed_what_it_says_it_used() {
    let tester = Tester::new("dify failures");
    let fail = |charged: bool| json!({"fail": {"msg": "no", "charged": charged}});
    let error = |after: u32| json!({"error": {"after_events": after, "msg": "no"}});
    let flow = json!({"app": "chatflow"});
    let cases = [
        // A failed chatflow has no `message_end`; its run's tokens are what it used.
        (json!({"dify": flow, "outcome": fail(true)}), CHAT, true),
        (json!({"dify": flow, "outcome": fail(false)}), CHAT, false),
        (json!({"outcome": fail(true)}), RUN, true),
        (json!({"outcome": fail(false)}), RUN, false),
        (json!({"outcome": error(0)}), CHAT, false),
        (json!({"outcome": error(2)}), CHAT, false),
    ];
    let mut apps = Vec::new();
    for (behaviour, path, used) in &cases {
        let app = Tester::app();
        tester.behave(&app, behaviour.clone()).await;
        let stream = told(&tester, &app, path).await;
        let last = events(&stream).pop().unwrap();
        assert_eq!(last["event"], "balance_updated", "{stream}");
        assert_eq!(last["pointsDeducted"] != 0, *used, "{behaviour} {stream}");
        apps.push(app);
    }
    let refused = Tester::app();
    for http_status in [400, 401, 403, 429, 500] {
        let refuse = json!({"http_status": http_status, "msg": "not now"});
        tester.behave(&refused, json!({"refuse": refuse})).await;
        for mode in ["streaming", "blocking"] {
            let reply = call(&tester, &refused, CHAT, mode).await;
            assert_eq!(reply.status(), http_status);
            assert_eq!(reply.headers()["weir-charge"], "0");
            let body: Value = reply.json().await.unwrap();
            assert_eq!(
                (&body["status"], &body["message"]),
                (&json!(http_status), &json!("not now"))
            );
        }
    }
    let calls = tester.calls(cases.len() + 10).await;
    for (call, (behaviour, _, used)) in calls.iter().zip(&cases) {
        let ending = if *used { "settled" } else { "released" };
        assert_eq!(call["ending"], ending, "{behaviour} {call:#}");
        assert_eq!(call["amount_nanos"] != 0, *used, "{behaviour} {call:#}");
    }
    assert!(calls[cases.len()..].iter().all(|call| call["ending"] == "released"), "{calls:#?}");
    agree(&tester, &apps).await;
}

/// Usage without a price, or in another currency, is charged nothing on cost plus, and that is a finding.
#[tokio::test(flavor = "multi_thread")]
async fn a_cost_that_is_not_told_is_charged_nothing_and_noticed() {
    let stack = own_stack();
    let tester = Tester::on(&stack, "dify without prices");
    for (dify, code) in [
        (json!({"usage": "partial"}), "usage_missing"),
        (json!({"currency": "RMB"}), "cost_currency"),
    ] {
        let app = Tester::app();
        tester.behave(&app, json!({"dify": dify})).await;
        let reply = call(&tester, &app, CHAT, "blocking").await;
        assert_eq!(reply.headers()["weir-charge"], "0");
        until("the finding", async || {
            let page = tester.origin_as_admin(&format!("/api/v1/findings?code={code}")).await;
            page["items"].as_array().is_some_and(|found| !found.is_empty()).then_some(())
        })
        .await;
    }
    tester.calls(2).await;
}

/// A run that waits for a person goes on by itself once the form is filled in, and is one call; its events
/// are read again, by two callers even, and billed to nobody (pitfall 48).
#[tokio::test(flavor = "multi_thread")]
async fn a_paused_run_is_one_call_whoever_reads_its_events_again() {
    let tester = Tester::new("dify pause");
    let (flow, run) = (Tester::app(), Tester::app());
    let interrupt = json!({"interrupt": {}});
    tester.behave(&flow, json!({"dify": {"app": "chatflow"}, "outcome": interrupt})).await;
    tester.behave(&run, json!({"outcome": interrupt})).await;
    for (app, path) in [(&flow, CHAT), (&run, RUN)] {
        let stream = told(&tester, app, path).await;
        let told = events(&stream);
        assert_eq!(names(&told).last(), Some(&"workflow_paused"), "nothing is charged yet");
        let id = told[0]["workflow_run_id"].as_str().unwrap();
        let form = told.iter().find_map(|event| event["data"]["form_token"].as_str()).unwrap();
        let door = format!("/dify/{app}/v1");
        let detail = async || {
            let reply = tester.ask(Method::GET, &format!("{door}/workflows/run/{id}")).send().await;
            let detail: Value = reply.unwrap().json().await.unwrap();
            detail["status"].clone()
        };
        assert_eq!(detail().await, "paused");
        assert_ne!(tester.balance_at_edge().await["held_nanos"], 0, "it is still held");
        let path = format!("{door}/form/human_input/{form}");
        let shown = tester.ask(Method::GET, &format!("{path}?user=u1")).send().await.unwrap();
        assert_eq!(shown.status(), StatusCode::OK);
        let filled =
            tester.call(&path, &json!({"user": "u1", "inputs": {}, "action": "yes"})).await;
        assert_eq!(filled.status(), StatusCode::OK);
        for _ in 0..2 {
            let path = format!("{door}/workflow/{id}/events?user=u1&include_state_snapshot=true");
            let again = tester.ask(Method::GET, &path).send().await.unwrap().text().await.unwrap();
            assert_eq!(names(&events(&again)), ["workflow_finished"]);
        }
        until("the run to be settled", async || {
            (tester.balance_at_edge().await["held_nanos"] == 0).then_some(())
        })
        .await;
        // A poll is answered from memory for a second.
        until("its detail to be asked for anew", async || {
            (detail().await == "succeeded").then_some(())
        })
        .await;
    }
    let calls = tester.calls(2).await;
    for call in &calls {
        assert_eq!((&call["ending"], &call["source"]), (&json!("settled"), &json!("retrieved")));
        // What the nodes were priced at before the pause is what the run cost.
        assert!(call["amount_nanos"].as_i64() > Some(0), "{call:#}");
    }
    agree(&tester, &[flow, run]).await;
}

/// What is stopped has used something, and says what.
#[tokio::test(flavor = "multi_thread")]
async fn stopped_work_is_billed_what_it_used() {
    let tester = Tester::new("dify stop");
    let mut apps = Vec::new();
    for (kind, path, stop) in [
        ("chatbot", CHAT, "chat-messages/{}/stop"),
        ("chatflow", CHAT, "chat-messages/{}/stop"),
        ("chatbot", COMPLETION, "completion-messages/{}/stop"),
        ("chatbot", RUN, "workflows/tasks/{}/stop"),
    ] {
        let app = Tester::app();
        let dify = json!({"app": kind, "stopped": true});
        let pace = json!({"hold_after_events": [1]});
        tester.behave(&app, json!({"dify": dify, "pace": pace})).await;
        let mut reply = call(&tester, &app, path, "streaming").await;
        let mut stream = reply.chunk().await.unwrap().unwrap().to_vec();
        let first = events(std::str::from_utf8(&stream).unwrap()).remove(0);
        // At once: whose the task is is known by the time that its caller is.
        let stop =
            format!("/dify/{app}/v1/{}", stop.replace("{}", first["task_id"].as_str().unwrap()));
        let stopped = tester.call(&stop, &json!({"user": "u1"})).await;
        assert_eq!(stopped.json::<Value>().await.unwrap(), json!({"result": "success"}), "{stop}");
        tester.release(&app).await;
        stream.extend(read(reply).await);
        let stream = events(std::str::from_utf8(&stream).unwrap());
        assert!(matches!(*names(&stream).last().unwrap(), "message_end" | "workflow_finished"));
        apps.push(app);
    }
    let calls = tester.calls(4).await;
    for call in &calls {
        assert_eq!(call["ending"], "settled", "{call:#}");
        assert!(call["amount_nanos"].as_i64() > Some(0), "{call:#}");
    }
    agree(&tester, &apps).await;
}

/// Pitfall 15: the caller goes away after the first bytes or before them, and is billed in full.
#[tokio::test(flavor = "multi_thread")]
async fn a_caller_of_dify_who_leaves_is_billed_all_the_same() {
    let tester = Tester::new("dify leaves");
    let mut apps = Vec::new();
    for path in [CHAT, COMPLETION, RUN] {
        let app = Tester::app();
        tester.behave(&app, json!({"pace": {"delay_ms": 30}})).await;
        let mut reply = call(&tester, &app, path, "streaming").await;
        reply.chunk().await.unwrap();
        drop(reply);
        tester.behave(&app, json!({"pace": {"hold_before_reply": true}})).await;
        for mode in ["streaming", "blocking"] {
            let is_left = tokio::select! {
                _ = call(&tester, &app, path, mode) => false,
                () = tester.until_held(&app) => true,
            };
            assert!(is_left);
            tester.release(&app).await;
            tester.behave(&app, json!({"pace": {"hold_before_reply": true}})).await;
        }
        apps.push(app);
    }
    let calls = tester.calls(9).await;
    assert!(calls.iter().all(|call| call["ending"] == "settled"), "{calls:#?}");
    agree(&tester, &apps).await;
}

/// A stream that Dify cuts is asked about where it can be, by its run; a chat without one cannot.
#[tokio::test(flavor = "multi_thread")]
async fn a_stream_that_dify_cuts_leaves_no_hold() {
    let tester = Tester::new("dify cuts");
    let (chatbot, flow, run) = (Tester::app(), Tester::app(), Tester::app());
    let pace = json!({"cut_after_bytes": 800});
    tester.behave(&chatbot, json!({"pace": pace})).await;
    tester.behave(&flow, json!({"pace": pace, "dify": {"app": "chatflow"}})).await;
    tester.behave(&run, json!({"pace": pace})).await;
    for (app, path) in [(&chatbot, CHAT), (&flow, CHAT), (&run, RUN)] {
        // A connection of its own, which goes with the stream that is cut.
        let client = reqwest::Client::new();
        let request = client.post(format!("{}/dify/{app}/v1/{path}", tester.edge));
        let request = request.bearer_auth(&tester.key).json(&says("streaming"));
        let bytes = read(request.send().await.unwrap()).await;
        assert!((1..=800).contains(&bytes.len()));
    }
    let calls = tester.calls(3).await;
    let of = |app: &str| calls.iter().find(|call| call["subject"] == app).unwrap();
    assert_eq!(of(&chatbot)["ending"], "expired");
    for app in [&flow, &run] {
        assert_eq!(
            (&of(app)["ending"], &of(app)["source"]),
            (&json!("settled"), &json!("retrieved"))
        );
    }
    assert_eq!(tester.balance_at_edge().await["held_nanos"], 0);
    agree(&tester, &[flow, run]).await;
}

/// The edge dies in the middle of a run: the journal asks Dify with the app's key, and settles once.
#[tokio::test(flavor = "multi_thread")]
async fn a_run_whose_edge_died_is_settled_by_asking_dify() {
    let mut stack = own_stack();
    let tester = Tester::on(&stack, "dify orphan");
    let (flow, run) = (Tester::app(), Tester::app());
    let pace = json!({"hold_after_events": [2]});
    tester.behave(&flow, json!({"dify": {"app": "chatflow"}, "pace": pace})).await;
    tester.behave(&run, json!({"pace": pace})).await;
    let mut left = Vec::new();
    for (app, path) in [(&flow, CHAT), (&run, RUN)] {
        let reply = call(&tester, app, path, "streaming").await;
        let call = reply.headers()["weir-call-id"].to_str().unwrap().to_owned();
        until("the run to be noted", async || {
            let explained = tester.explain_at_edge(&call).await;
            explained["hold"]["execute_id"].is_string().then_some(())
        })
        .await;
        left.push(reply);
    }
    stack.edge.kill().unwrap();
    stack.edge.start().unwrap();
    for app in [&flow, &run] {
        tester.release(app).await;
    }
    drop(left);
    let calls = tester.calls(2).await;
    for call in &calls {
        assert_eq!((&call["ending"], &call["source"]), (&json!("settled"), &json!("retrieved")));
        assert!(call["usage"]["total"].as_u64() > Some(0), "{call:#}");
    }
    agree(&tester, &[flow, run]).await;
}

/// Pitfall 49: what states no usage is billed by its price, and refused without one.
#[tokio::test(flavor = "multi_thread")]
async fn audio_and_suggestions_are_billed_by_their_prices() {
    let tester = Tester::new("dify audio");
    let app = Tester::app();
    let door = format!("/dify/{app}/v1");
    let suggested = async || {
        let path = format!("{door}/messages/m-1/suggested?user=u1");
        tester.ask(Method::GET, &path).send().await.unwrap()
    };
    let speak = async || {
        tester.call(&format!("{door}/text-to-audio"), &json!({"text": "hello", "user": "u1"})).await
    };
    let hear = async || {
        let part = reqwest::multipart::Part::bytes(vec![7_u8; 2_000]).file_name("a.mp3");
        let form = reqwest::multipart::Form::new().part("file", part).text("user", "u1");
        let path = format!("{door}/audio-to-text");
        tester.ask(Method::POST, &path).multipart(form).send().await.unwrap()
    };
    let reply = suggested().await;
    assert_eq!(
        (reply.status(), &reply.headers()["weir-charge"]),
        (StatusCode::OK, &"0".parse().unwrap())
    );
    assert_eq!(reply.json::<Value>().await.unwrap()["result"], "success");
    for reply in [speak().await, hear().await] {
        assert_eq!(reply.status(), StatusCode::FORBIDDEN);
        assert_eq!(reply.json::<Value>().await.unwrap()["weir_code"], "unpriced");
    }
    // A price of one app is one for each of its calls.
    shared().weir(&["price", "set", "--app", &app, "--per-call", "750"]).unwrap();
    let mut spoken = 0;
    let audio = until("the price to reach the edge", async || {
        let reply = speak().await;
        (reply.status() == StatusCode::OK).then_some(reply)
    })
    .await;
    spoken += 1;
    assert_eq!(audio.headers()["weir-charge"], "750");
    assert_eq!(audio.headers()["content-type"], "audio/mp3");
    assert!(!audio.bytes().await.unwrap().is_empty());
    let heard = hear().await;
    assert_eq!(heard.headers()["weir-charge"], "750");
    assert_eq!(heard.json::<Value>().await.unwrap()["text"], "Hello");
    assert_eq!(suggested().await.headers()["weir-charge"], "750");
    let calls = tester.calls(spoken + 3).await;
    assert!(calls.iter().all(|call| call["ending"] == "settled" && call["subject"] == app));
    assert_eq!(tester.works(&app).await.len(), spoken + 3);
}

/// An account whose setting says so hears what its streams cost without asking.
#[tokio::test(flavor = "multi_thread")]
async fn an_account_may_always_hear_what_a_stream_of_dify_cost() {
    let tester = Tester::new("dify notices");
    let app = Tester::app();
    shared().weir(&["account", "set", &tester.account, "--balance-events", "true"]).unwrap();
    let stream = until("the setting to reach the edge", async || {
        let stream = call(&tester, &app, CHAT, "streaming").await.text().await.unwrap();
        stream.contains("balance_updated").then_some(stream)
    })
    .await;
    assert_eq!(names(&events(&stream)).last(), Some(&"balance_updated"));
}

/// The same request twice is done once, and another app's is another request.
#[tokio::test(flavor = "multi_thread")]
async fn a_request_of_dify_with_a_key_is_done_once() {
    let tester = Tester::new("dify twice");
    let (app, other) = (Tester::app(), Tester::app());
    let send = async |app: &str| {
        let path = format!("/dify/{app}/v1/{CHAT}");
        let request = tester.ask(Method::POST, &path).header("idempotency-key", "once");
        request.json(&says("blocking")).send().await.unwrap()
    };
    let first = send(&app).await.text().await.unwrap();
    let again = send(&app).await;
    assert_eq!(again.headers()["weir-replayed"], "true");
    assert_eq!(again.text().await.unwrap(), first);
    let conflict = send(&other).await;
    assert_eq!(conflict.status(), StatusCode::CONFLICT);
    assert_eq!(conflict.json::<Value>().await.unwrap()["weir_code"], "idempotency_conflict");
    tester.calls(1).await;
    assert_eq!(tester.works(&app).await.len(), 1);
}

/// dify-client, unchanged but for base URL and key.
#[tokio::test(flavor = "multi_thread")]
async fn difys_own_library_runs_unchanged() {
    let tester = Tester::new("dify client");
    let app = Tester::app();
    let key: Value = {
        let scope = ["--name", "library", "--allow-subject", &app];
        shared().weir_json(&[&["key", "issue", &tester.account], &scope[..]].concat()).unwrap()
    };
    let key = key["key"].as_str().unwrap();
    let does = async |arguments: &[&str]| {
        let (code, said) = Library::Dify.run_as(&tester, &["--key", key], arguments).await;
        assert_eq!(code, 0, "{arguments:?}: {said:#}");
        said
    };
    let whole = does(&["--do", "chat"]).await;
    assert_eq!(whole["body"]["answer"], "You said: hello");
    assert_eq!((&whole["charge"], whole["balance"].is_string()), (&json!("50"), true));
    let conversation = whole["body"]["conversation_id"].as_str().unwrap();
    let streamed = does(&["--do", "chat", "--stream", "--conversation", conversation]).await;
    assert_eq!(streamed["text"], "You said: hello");
    assert_eq!(streamed["conversation"], conversation);
    assert_eq!(streamed["usage"]["total_tokens"], 20);
    let events = streamed["events"].as_array().unwrap();
    assert_eq!(events.last(), Some(&json!("message_end")), "{events:?}");
    assert_eq!(does(&["--do", "complete"]).await["body"]["answer"], "You said: hello");
    assert_eq!(does(&["--do", "complete", "--stream"]).await["text"], "You said: hello");

    let listed = does(&["--do", "conversations"]).await;
    assert_eq!(listed["body"]["data"][0]["id"], conversation);
    does(&["--do", "messages", "--conversation", conversation]).await;
    does(&["--do", "rename", "--conversation", conversation]).await;
    let message = whole["body"]["message_id"].as_str().unwrap();
    does(&["--do", "feedback", "--message", message]).await;
    does(&["--do", "parameters"]).await;
    let uploaded = does(&["--do", "upload"]).await;
    assert_eq!(uploaded["body"]["created_by"], format!("{}.u1", tester.account));
    // A refusal is an error as Dify's own are.
    let stranger = ["--do", "messages", "--conversation", "none"];
    let (code, said) = Library::Dify.run_as(&tester, &["--key", key], &stranger).await;
    assert_eq!((code, &said["error"]["code"]), (3, &json!("not_found")));
    let (code, said) =
        Library::Dify.run_as(&tester, &["--key", "sk-none"], &["--do", "chat"]).await;
    assert_eq!((code, &said["error"]["code"]), (3, &json!("unauthorized")));
    assert_eq!(said["error"]["status"], 401);
    tester.calls(4).await;
    agree(&tester, &[app]).await;
}
