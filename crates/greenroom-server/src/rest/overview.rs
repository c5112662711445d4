//! How the server is doing, for the console and for programs that are no Prometheus.

use axum::Json;
use greenroom_core::store::StoreRequest;

use super::access::Operator;
use super::model::ProblemModel;
use crate::overview::{self, Overview};
use crate::problem::Problem;

/// How the server is doing, and what an operator should look at
///
/// Rates, latencies and what needs attention are of the last 15 minutes.
#[utoipa::path(get, path = "/api/overview", operation_id = "show_overview", tag = "console",
    responses(
        (status = 200, body = Overview),
        (status = "default", body = ProblemModel, content_type = "application/problem+json")))]
pub(super) async fn show(of: Operator) -> Result<Json<Overview>, Problem> {
    let mut health = of.app.store.health();
    if health.full {
        // A store that was full looks at its disk only when it is asked something.
        of.app
            .store
            .request(StoreRequest::Queue { after: 0, limit: 0 })
            .await;
        health = of.app.store.health();
    }
    Ok(Json(overview::overview(&of.app, &health)))
}
