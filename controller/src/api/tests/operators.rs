//! The local socket.

use super::*;
use crate::ops::{FailureBody, from_body};
use sanaga_proto::failure::Coded as _;
use std::os::unix::fs::PermissionsExt as _;
use tokio::net::UnixStream;

impl World {
    async fn local(&self, method: &str, path: &str, body: &[u8]) -> (StatusCode, Bytes) {
        let stream = UnixStream::connect(self.context.home.socket())
            .await
            .unwrap();
        let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await.unwrap();
        tokio::spawn(connection);
        let request = Request::builder()
            .method(method)
            .uri(path)
            .header("host", "sanaga")
            .header("sanaga-actor", "ada")
            .body(Full::new(Bytes::copy_from_slice(body)))
            .unwrap();
        let answer = sender.send_request(request).await.unwrap();
        let status = answer.status();
        (
            status,
            answer.into_body().collect().await.unwrap().to_bytes(),
        )
    }
}

fn failure(body: &[u8]) -> Failure {
    from_body(&serde_json::from_slice::<FailureBody>(body).unwrap())
}

#[tokio::test]
async fn operations_go_through_the_socket_under_the_callers_name() {
    let world = World::new().await;
    let mode = std::fs::metadata(world.context.home.socket())
        .unwrap()
        .permissions()
        .mode();
    assert_eq!(mode & 0o777, 0o600);
    let request =
        br#"{"node":"akwa-1","site":"edea","environment":"dev","valid_h":1,"replace":false}"#;
    let (status, body) = world.local("POST", "/ops/token", request).await;
    assert_eq!(status, StatusCode::OK, "{body:?}");
    let audit = world.context.store.audit(0, 100).await.unwrap();
    // The name is what the caller says; the user behind it is what the kernel says.
    let user_id = rustix::process::getuid().as_raw();
    let actor = format!("cli:ada (uid {user_id})");
    assert_eq!(audit.last().unwrap().actor, actor);
    for (path, request) in [("/ops/no-such-thing", "{}"), ("/ops/token", "{}")] {
        let (status, body) = world.local("POST", path, request.as_bytes()).await;
        assert_eq!(status, StatusCode::UNPROCESSABLE_ENTITY);
        assert_eq!(failure(&body).code(), code::BAD_REQUEST);
    }
    world.end().await;
}

#[tokio::test]
async fn uploads_are_whole_and_right_or_not_there() {
    let world = World::new().await;
    let bytes = vec![7; 1_000_000];
    let digest = Digest::of(&bytes);
    let folder = world.context.home.uploads();
    let path = format!("/ops/upload/{digest}");
    let (status, body) = world.local("PUT", &path, &bytes[1..]).await;
    assert_eq!(status, StatusCode::UNPROCESSABLE_ENTITY);
    assert_eq!(failure(&body).code(), code::BAD_REQUEST);
    let (status, _) = world.local("PUT", "/ops/upload/not-a-digest", &bytes).await;
    assert_eq!(status, StatusCode::UNPROCESSABLE_ENTITY);
    assert_eq!(std::fs::read_dir(&folder).unwrap().count(), 0);
    for _ in 0..2 {
        let (status, _) = world.local("PUT", &path, &bytes).await;
        assert_eq!(status, StatusCode::OK);
    }
    assert_eq!(
        std::fs::read(folder.join(digest.to_string())).unwrap(),
        bytes
    );
    std::fs::write(folder.join("left.3.part"), "x").unwrap();
    local::sweep(&folder).unwrap();
    assert_eq!(std::fs::read_dir(&folder).unwrap().count(), 1);
    world.end().await;
}
