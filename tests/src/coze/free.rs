//! The contract's table of paths that are only passed through: any plausible success will do.

use axum::Router;
use axum::response::Response;
use axum::routing::{MethodFilter, on};

use crate::coze::envelope::{json, success};
use crate::visit::Visit;
use crate::wire::node::{Node, object};
use crate::world::Upstream;

const GET: MethodFilter = MethodFilter::GET;
const POST: MethodFilter = MethodFilter::POST;
const PUT: MethodFilter = MethodFilter::PUT;
const DELETE: MethodFilter = MethodFilter::DELETE;

/// Paths whose answer is a list, which is always empty here.
const LISTS: &[&str] = &[
    "/v1/bots/{bot_id}/versions",
    "/v1/apps",
    "/v1/workflows",
    "/v1/workflows/{workflow_id}/versions",
    "/v1/audio/voices",
    "/v1/audio/voiceprint_groups",
    "/v1/audio/voiceprint_groups/{group_id}/features",
    "/v1/datasets",
    "/v1/datasets/{dataset_id}/images",
    "/v1/variables",
    "/v1/folders",
    "/v1/workspaces",
    "/v1/workspaces/{workspace_id}/members",
    "/v1/enterprises/{enterprise_id}/members",
    "/v1/enterprises/{enterprise_id}/organizations",
    "/v1/organizations/{organization_id}/members",
    "/v1/api_apps",
    "/v1/api_apps/{app_id}/events",
    "/v1/commerce/benefit/bill_tasks",
    "/v1/commerce/benefit/limitations",
    "/v1/plugins/mget",
    "/v1/stores/plugins",
    "/v1/stores/categories",
];

/// Paths that answer with an object, which is always empty here.
const OBJECTS: &[(MethodFilter, &str)] = &[
    (POST, "/v1/bot/create"),
    (POST, "/v1/bot/update"),
    (POST, "/v1/bot/publish"),
    (POST, "/v1/bots/{bot_id}/unpublish"),
    (POST, "/v1/bots/{bot_id}/collaborators"),
    (POST, "/v1/bots/{bot_id}/collaboration_mode"),
    (DELETE, "/v1/bots/{bot_id}/collaborators/{user_id}"),
    (POST, "/v1/apps/{app_id}/collaborators"),
    (DELETE, "/v1/apps/{app_id}/collaborators/{user_id}"),
    (GET, "/v1/workflows/{workflow_id}"),
    (POST, "/v1/workflows/{workflow_id}/collaborators"),
    (POST, "/v1/workflows/{workflow_id}/collaboration_mode"),
    (GET, "/v1/audio/live/{live_id}"),
    (POST, "/v1/audio/voiceprint_groups"),
    (PUT.or(DELETE), "/v1/audio/voiceprint_groups/{group_id}"),
    (POST, "/v1/audio/voiceprint_groups/{group_id}/features"),
    (PUT.or(DELETE), "/v1/audio/voiceprint_groups/{group_id}/features/{feature_id}"),
    (POST, "/v1/audio/voiceprint_groups/{group_id}/speaker_identify"),
    (POST, "/v1/datasets"),
    (PUT.or(DELETE), "/v1/datasets/{dataset_id}"),
    (POST, "/v1/datasets/{dataset_id}/process"),
    (PUT, "/v1/datasets/{dataset_id}/images/{document_id}"),
    (POST, "/open_api/knowledge/document/create"),
    (POST, "/open_api/knowledge/document/list"),
    (POST, "/open_api/knowledge/document/update"),
    (POST, "/open_api/knowledge/document/delete"),
    (PUT, "/v1/variables"),
    (GET, "/v1/folders/{folder_id}"),
    (POST, "/v1/templates/{template_id}/duplicate"),
    (POST, "/v1/workspaces"),
    (PUT, "/v1/workspaces/{workspace_id}"),
    (POST.or(DELETE), "/v1/workspaces/{workspace_id}/members"),
    (POST, "/v1/enterprises/{enterprise_id}/members"),
    (PUT.or(DELETE), "/v1/enterprises/{enterprise_id}/members/{user_id}"),
    (POST, "/v1/enterprises/{enterprise_id}/organizations"),
    (GET, "/v1/organizations/{organization_id}"),
    (POST, "/v1/organizations/{organization_id}/members"),
    (POST, "/v1/connectors/{connector_id}/install"),
    (POST, "/v1/connectors/{connector_id}/user_configs"),
    (PUT, "/v1/connectors/{connector_id}/bots/{bot_id}"),
    (POST, "/v1/api_apps"),
    (PUT.or(DELETE), "/v1/api_apps/{app_id}"),
    (POST.or(DELETE), "/v1/api_apps/{app_id}/events"),
    (GET, "/v1/commerce/benefit/benefits/get"),
    (POST, "/v1/commerce/benefit/bill_tasks"),
    (POST, "/v1/commerce/benefit/limitations"),
    (PUT, "/v1/commerce/benefit/limitations/{limitation_id}"),
    (GET, "/v1/plugins/{plugin_id}"),
    (POST, "/v1/entities/copy_tasks"),
    (GET, "/v1/entities/copy_tasks/{task_id}"),
];

pub(crate) fn routes() -> Router<Upstream> {
    let lists = LISTS.iter().fold(Router::new(), |router, path| router.route(path, on(GET, list)));
    OBJECTS.iter().fold(lists, |router, (methods, path)| router.route(path, on(*methods, object)))
}

async fn list(visit: Visit) -> Response {
    let data = object! { "items": Node::List(vec![]), "total": 0_i64, "has_more": false };
    json(success(data, &visit.logid).to_string())
}

async fn object(visit: Visit) -> Response {
    json(success(object! {}, &visit.logid).to_string())
}
