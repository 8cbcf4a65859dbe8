//! Users, bots and files: free of charge, and read by the libraries' typed models.

use axum::Router;
use axum::extract::multipart::Multipart;
use axum::extract::{Path, Query, State};
use axum::response::Response;
use axum::routing::{get, post};
use serde::Deserialize;

use crate::coze::envelope::{json, required, success};
use crate::coze::fault::{Fault, Refused};
use crate::coze::units::fields;
use crate::visit::Visit;
use crate::wire::node::{Node, object};
use crate::world::Upstream;
use crate::world::files::File;

/// The one bot that lists show. Any other id is a bot too.
const LISTED_BOT: &str = "7490000000000000007";

const ICON_URL: &str = "https://lf-coze-web-cdn.coze.cn/standin.png";

pub(crate) fn routes() -> Router<Upstream> {
    Router::new()
        .route("/v1/users/me", get(me))
        .route("/v1/bot/get_online_info", get(online_bot))
        .route("/v1/bots/{bot_id}", get(bot))
        .route("/v1/space/published_bots_list", get(published_bots))
        .route("/v1/bots", get(bots))
        .route("/v1/files/upload", post(upload))
        .route("/v1/files/retrieve", get(file))
}

fn answer(data: Node, visit: &Visit) -> Response {
    json(success(data, &visit.logid).to_string())
}

async fn me(visit: Visit) -> Response {
    let user = object! {
        "user_id": "2230000000000000001", "user_name": "standin", "nick_name": "Stand-in",
        "avatar_url": ICON_URL,
    };
    answer(user, &visit)
}

#[derive(Debug, Deserialize)]
struct BotQuery {
    bot_id: Option<String>,
}

async fn online_bot(
    State(upstream): State<Upstream>,
    visit: Visit,
    Query(query): Query<BotQuery>,
) -> Result<Response, Refused> {
    let bot_id =
        required(query.bot_id, "bot_id").map_err(|fault| Refused::new(fault, &visit.logid))?;
    Ok(answer(bot_object(&bot_id, upstream.now_seconds()), &visit))
}

async fn bot(
    State(upstream): State<Upstream>,
    visit: Visit,
    Path(bot_id): Path<String>,
) -> Response {
    answer(bot_object(&bot_id, upstream.now_seconds()), &visit)
}

fn bot_object(bot_id: &str, now: i64) -> Node {
    object! {
        "bot_id": bot_id, "name": "Stand-in bot", "description": "Says what you said",
        "icon_url": ICON_URL, "create_time": now, "update_time": now, "version": "1",
        "prompt_info": object! { "prompt": "" },
        "onboarding_info": object! { "prologue": "Hello", "suggested_questions": Node::List(vec![]) },
        "bot_mode": 0_i64, "plugin_info_list": Node::List(vec![]),
        "model_info": object! { "model_id": "1", "model_name": "stand-in" },
    }
}

async fn published_bots(State(upstream): State<Upstream>, visit: Visit) -> Response {
    let bot = object! {
        "bot_id": LISTED_BOT, "bot_name": "Stand-in bot", "description": "Says what you said",
        "icon_url": ICON_URL, "publish_time": upstream.now_seconds().to_string(),
    };
    answer(object! { "space_bots": Node::List(vec![bot]), "total": 1_i64 }, &visit)
}

async fn bots(State(upstream): State<Upstream>, visit: Visit) -> Response {
    let now = upstream.now_seconds();
    let bot = object! {
        "id": LISTED_BOT, "name": "Stand-in bot", "description": "Says what you said",
        "icon_url": ICON_URL, "is_published": true, "published_at": now, "updated_at": now,
        "owner_user_id": "2230000000000000001",
    };
    answer(object! { "items": Node::List(vec![bot]), "total": 1_i64 }, &visit)
}

async fn upload(
    State(upstream): State<Upstream>,
    visit: Visit,
    form: Multipart,
) -> Result<Response, Refused> {
    let refused = |fault| Refused::new(fault, &visit.logid);
    let fields = fields(form).await.map_err(|_| refused(Fault::parameter("multipart form")))?;
    let mut files = fields.into_iter().filter(|field| field.name == "file");
    let field = files.next().ok_or_else(|| refused(Fault::NO_FILE))?;
    if files.next().is_some() {
        return Err(refused(Fault::TOO_MANY_FILES));
    }
    let now = upstream.now_seconds();
    let file = upstream.change(|world| {
        let file = File {
            id: world.ids.draw(),
            name: field.file_name.unwrap_or_default(),
            bytes: i64::try_from(field.bytes.len()).unwrap_or(i64::MAX),
            created_at: now,
        };
        world.files.insert(file.clone());
        file
    });
    Ok(answer(file_object(&file), &visit))
}

#[derive(Debug, Deserialize)]
struct FileQuery {
    file_id: Option<String>,
}

async fn file(
    State(upstream): State<Upstream>,
    visit: Visit,
    Query(query): Query<FileQuery>,
) -> Result<Response, Refused> {
    let id = query.file_id.unwrap_or_default();
    let file = upstream.read(|world| world.files.get(&id).cloned());
    let file = file.ok_or_else(|| Refused::new(Fault::NOT_FOUND, &visit.logid))?;
    Ok(answer(file_object(&file), &visit))
}

fn file_object(file: &File) -> Node {
    object! {
        "id": &file.id, "bytes": file.bytes, "created_at": file.created_at,
        "file_name": &file.name,
    }
}
