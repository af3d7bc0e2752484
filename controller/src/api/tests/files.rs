//! The published files over HTTPS.

use super::*;
use http::{HeaderMap, Method, header};

impl World {
    async fn fetch(&self, method: Method, path: &str, headers: &[(&str, &str)]) -> Response<Bytes> {
        let mut request = Request::builder()
            .method(method)
            .uri(path)
            .header("host", "x");
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let request = request.body(Full::default()).unwrap();
        self.exchange(self.tls(None), request).await.answer
    }

    async fn get(&self, path: &str, headers: &[(&str, &str)]) -> Response<Bytes> {
        self.fetch(Method::GET, path, headers).await
    }
}

fn value(headers: &HeaderMap, name: header::HeaderName) -> &str {
    headers
        .get(name)
        .map_or("", |value| value.to_str().unwrap())
}

#[tokio::test]
async fn ranges_and_validators() {
    let world = World::new().await;
    let pack: Vec<u8> = (0..300_000u32).map(|at| (at % 253) as u8).collect();
    let frame_root = Digest::of(&pack);
    let (path, tag) = (
        format!("/v1/pack/{frame_root}"),
        format!("\"{frame_root}\""),
    );
    let file = format!("pack/{frame_root}");
    world
        .context
        .repository
        .put(&file, pack.clone())
        .await
        .unwrap();

    let whole = world.get(&path, &[]).await;
    assert_eq!(whole.status(), StatusCode::OK);
    assert_eq!(whole.body().as_ref(), pack.as_slice());
    assert_eq!(value(whole.headers(), header::ETAG), tag);
    assert!(value(whole.headers(), header::CACHE_CONTROL).contains("immutable"));
    let head = world
        .fetch(Method::HEAD, &path, &[("range", "bytes=1-2")])
        .await;
    assert_eq!(head.status(), StatusCode::OK);
    assert_eq!(value(head.headers(), header::CONTENT_LENGTH), "300000");
    assert!(head.body().is_empty());

    for (range, from, to) in [
        ("bytes=65536-", 65_536, 300_000),
        ("bytes=0-0", 0, 1),
        ("bytes=-10", 299_990, 300_000),
        ("bytes=299999-400000", 299_999, 300_000),
    ] {
        let part = world.get(&path, &[("range", range)]).await;
        assert_eq!(part.status(), StatusCode::PARTIAL_CONTENT, "{range}");
        assert_eq!(part.body().as_ref(), &pack[from..to], "{range}");
        let shown = format!("bytes {from}-{}/300000", to - 1);
        assert_eq!(value(part.headers(), header::CONTENT_RANGE), shown);
    }
    let behind = world.get(&path, &[("range", "bytes=300000-")]).await;
    assert_eq!(behind.status(), StatusCode::RANGE_NOT_SATISFIABLE);
    assert_eq!(
        value(behind.headers(), header::CONTENT_RANGE),
        "bytes */300000"
    );
    for (range, known) in [
        ("bytes=1-2", "\"another\""),
        ("bytes=1-2,4-5", tag.as_str()),
    ] {
        let all = world
            .get(&path, &[("range", range), ("if-range", known)])
            .await;
        assert_eq!(all.status(), StatusCode::OK);
        assert_eq!(all.body().len(), pack.len());
    }
    let part = world
        .get(&path, &[("range", "bytes=1-2"), ("if-range", &tag)])
        .await;
    assert_eq!(part.body().as_ref(), &pack[1..3]);
    let known = world.get(&path, &[("if-none-match", &tag)]).await;
    assert_eq!(known.status(), StatusCode::NOT_MODIFIED);
    assert!(known.body().is_empty());
    world.end().await;
}

#[tokio::test]
async fn what_changes_is_asked_for_again_and_what_is_absent_is_not_remembered() {
    let world = World::new().await;
    let first = world.get("/v1/tuf/timestamp.json", &[]).await;
    assert_eq!(first.status(), StatusCode::OK);
    assert_eq!(value(first.headers(), header::CACHE_CONTROL), "no-cache");
    let tag = value(first.headers(), header::ETAG).to_owned();
    let same = world
        .get("/v1/tuf/timestamp.json", &[("if-none-match", &tag)])
        .await;
    assert_eq!(same.status(), StatusCode::NOT_MODIFIED);
    world.pass(86_401);
    renew_online(&world.context, &Actor::server())
        .await
        .unwrap();
    let next = world
        .get("/v1/tuf/timestamp.json", &[("if-none-match", &tag)])
        .await;
    assert_eq!(next.status(), StatusCode::OK);
    assert_ne!(next.body(), first.body());

    assert_eq!(
        world.get("/v1/tuf/1.root.json", &[]).await.status(),
        StatusCode::OK
    );
    let absent = world.get("/v1/tuf/2.root.json", &[]).await;
    assert_eq!(absent.status(), StatusCode::NOT_FOUND);
    assert_eq!(value(absent.headers(), header::CACHE_CONTROL), "no-store");
    world.end().await;
}

#[tokio::test]
async fn nothing_else_of_the_folder_can_be_read() {
    let world = World::new().await;
    for path in [
        "/",
        "/v1",
        "/v1/tuf",
        "/v1/tuf/",
        "/v1/tuf/..",
        "/v1/tuf/%2e%2e%2fcontroller.db",
        "/v1/..%2f..%2fserver/tls-ca.key",
        "/v1/server/tls-ca.key",
        "/v1/tuf/.hidden",
        "/ops/site-list",
    ] {
        let answer = world.get(path, &[]).await;
        assert_eq!(answer.status(), StatusCode::NOT_FOUND, "{path}");
    }
    let wrong = world
        .fetch(Method::DELETE, "/v1/tuf/1.root.json", &[])
        .await;
    assert_eq!(wrong.status(), StatusCode::METHOD_NOT_ALLOWED);
    world.end().await;
}
