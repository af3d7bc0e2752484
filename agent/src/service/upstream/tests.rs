//! What the proxy is told, and what happens when it does not take it.

use super::*;

fn shop(folder: &Path, proxy: Proxy, check: &str, reload: &str) -> Upstream {
    let shell = |script: &str| ["/bin/sh", "-c", script].map(str::to_owned).to_vec();
    let config = UpstreamConfig {
        kind: Some(proxy),
        file: Some(format!("{}/{{app}}.conf", folder.display())),
        check: Some(shell(check)),
        reload: Some(shell(reload)),
        look: None,
    };
    Upstream::of(&config, &"shop".parse().unwrap()).unwrap()
}

#[test]
fn no_proxy_unless_the_node_names_one() {
    let app = "shop".parse().unwrap();
    assert_eq!(Upstream::of(&UpstreamConfig::default(), &app), None);
    let config = UpstreamConfig {
        kind: Some(Proxy::Caddy),
        ..UpstreamConfig::default()
    };
    let caddy = Upstream::of(&config, &app).unwrap();
    assert_eq!(caddy.file, Path::new("/etc/caddy/sanaga/shop.caddy"));
    assert_eq!(caddy.reload.first().unwrap(), "caddy");
}

#[tokio::test]
async fn what_is_written_is_read_again() {
    let folder = tempfile::tempdir().unwrap();
    for proxy in [Proxy::Nginx, Proxy::Caddy] {
        let upstream = shop(folder.path(), proxy, "true", "true");
        upstream.tell(8082, "shop@1.4.2", false).await.unwrap();
        assert_eq!(upstream.port(), Some(8082));
        let text = fs::read_to_string(&upstream.file).unwrap();
        let line = match proxy {
            Proxy::Nginx => "upstream shop {\n    server 127.0.0.1:8082;\n}\n",
            Proxy::Caddy => "reverse_proxy 127.0.0.1:8082\n",
        };
        assert!(text.ends_with(line), "{text}");
        assert!(text.starts_with("# shop@1.4.2."), "{text}");
    }
}

#[tokio::test]
async fn what_the_proxy_does_not_take_is_taken_back() {
    let folder = tempfile::tempdir().unwrap();
    let good = shop(folder.path(), Proxy::Nginx, "true", "true");
    let bad_check = shop(
        folder.path(),
        Proxy::Nginx,
        "echo broken >&2; exit 3",
        "true",
    );
    let bad_reload = shop(folder.path(), Proxy::Nginx, "true", "exit 4");
    let problem = bad_check.tell(8081, "x", true).await.unwrap_err();
    assert!(problem.ends_with("ended with code 3: broken"), "{problem}");
    assert!(!good.file.exists(), "nothing was there before");
    good.tell(8081, "x", false).await.unwrap();
    for bad in [&bad_check, &bad_reload] {
        bad.tell(8082, "x", false).await.unwrap_err();
        assert_eq!(good.port(), Some(8081));
    }
    bad_reload.tell(8082, "x", true).await.unwrap();
    assert_eq!(good.port(), Some(8082), "it is read when the proxy starts");
}

#[test]
fn only_an_address_of_ours_is_a_port() {
    for (text, port) in [
        ("reverse_proxy 127.0.0.1:8081\n", Some(8081)),
        ("# server 127.0.0.1:1;\nserver 127.0.0.1:8082;", Some(8082)),
        ("server 10.0.0.1:80;", None),
        ("server 127.0.0.1:99999;", None),
        ("", None),
    ] {
        assert_eq!(port_in(text), port, "{text}");
    }
}
