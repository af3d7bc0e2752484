//! Two instances of an app, and a proxy that is only a file.

use super::*;
use crate::config::{Proxy, UpstreamConfig};

const DRAIN: Duration = Duration::from_millis(300);
const DAY: Duration = Duration::from_secs(86_400);

/// A site whose proxy reads a file when it is told to.
fn site() -> Site {
    let mut site = Site::new();
    let config = UpstreamConfig {
        kind: Some(Proxy::Nginx),
        file: Some(site.path("proxy/{app}.conf").display().to_string()),
        check: Some(Vec::new()),
        reload: Some(shell(&format!(
            "echo told >> {}",
            site.path("told").display()
        ))),
        look: None,
    };
    site.options.upstream = Upstream::of(&config, &app());
    site
}

fn launch(site: &Site, slot: &str, ports: &[u16]) -> Launch {
    let mut launch = site.launch("exec sleep 600");
    launch.slot = site.path("slots").join(slot);
    launch.spec.beside = Some(Beside {
        ports: ports.to_vec(),
        drain: DRAIN,
    });
    launch
}

async fn take_over(service: &Service, launch: &Launch, keep: bool) -> Begun {
    let begun = service.begin_beside(launch).await.unwrap();
    service.tell_proxy(&begun).await.unwrap();
    service.retire_others(&begun, keep).await;
    begun
}

async fn slot_of(service: &Service) -> PathBuf {
    let status = service.status().await;
    let ServiceStatus::Running { slot, .. } = status else {
        panic!("not running: {status:?}");
    };
    slot
}

const PORTS: [u16; 2] = [21_081, 21_082];

#[tokio::test]
async fn the_new_one_starts_beside_the_old_one_and_takes_over_when_the_proxy_is_told() {
    let site = site();
    let service = site.open();
    let (old, new) = (
        launch(&site, "0001-aa", &PORTS),
        launch(&site, "0002-bb", &PORTS),
    );
    let first = take_over(&service, &old, true).await;
    assert!(first.is_alone && !first.serves);
    let begun = service.begin_beside(&new).await.unwrap();
    assert!(!begun.is_alone && !begun.serves);
    assert_eq!(
        (first.launch.port, begun.launch.port),
        (Some(21_081), Some(21_082))
    );
    assert_eq!(
        slot_of(&service).await,
        old.slot,
        "the proxy was not told yet"
    );
    // Killed here, it is found again, and begun again without a second start.
    drop(service);
    let service = site.open();
    let begun = service.begin_beside(&new).await.unwrap();
    site.settles_at(2).await;
    service.tell_proxy(&begun).await.unwrap();
    service.retire_others(&begun, true).await;
    assert_eq!(slot_of(&service).await, new.slot);
    service.tidy(DAY).await.unwrap();
    site.settles_at(2).await;
    // The way back starts nothing.
    let back = take_over(&service, &old, false).await;
    assert_eq!(back.launch, first.launch);
    assert_eq!(slot_of(&service).await, old.slot);
    until("the one that was left ends after its drain", async || {
        service.tidy(DAY).await.unwrap();
        site.count() == 1
    })
    .await;
    assert_eq!(slot_of(&service).await, old.slot);
    service.stop().await.unwrap();
    site.settles_at(0).await;
}

#[tokio::test]
async fn a_third_release_waits_for_the_drain_of_the_first() {
    let site = site();
    let service = site.open();
    fs::create_dir_all(site.path("slots/0003-cc")).unwrap();
    take_over(&service, &launch(&site, "0001-aa", &PORTS), true).await;
    take_over(&service, &launch(&site, "0002-bb", &PORTS), true).await;
    let asked = std::time::Instant::now();
    let third = take_over(&service, &launch(&site, "0003-cc", &PORTS), true).await;
    assert!(asked.elapsed() >= DRAIN - Duration::from_millis(50));
    assert_eq!(third.launch.port, Some(21_081));
    site.settles_at(2).await;
    service.stop().await.unwrap();
}

#[tokio::test]
async fn what_is_given_up_ends_and_the_proxy_stays_or_returns() {
    let site = site();
    let service = site.open();
    let (old, new) = (launch(&site, "0001-aa", &[]), launch(&site, "0002-bb", &[]));
    let first = take_over(&service, &old, true).await;
    let port = first.launch.port.unwrap();
    assert!((20_000..=20_999).contains(&port), "of the node's range");
    for is_told in [false, true] {
        let begun = service.begin_beside(&new).await.unwrap();
        assert_ne!(begun.launch.port, first.launch.port);
        if is_told {
            service.tell_proxy(&begun).await.unwrap();
        }
        service.give_up(&begun).await.unwrap();
        assert_eq!(slot_of(&service).await, old.slot);
        site.settles_at(1).await;
        assert_eq!(service.upstream().unwrap().port(), Some(port));
    }
    service.stop().await.unwrap();
}

#[tokio::test]
async fn alone_it_takes_the_port_that_the_proxy_knows() {
    let site = site();
    let service = site.open();
    let old = launch(&site, "0001-aa", &PORTS);
    take_over(&service, &old, true).await;
    take_over(&service, &launch(&site, "0002-bb", &PORTS), true).await;
    let told = read(&site.path("told"));
    service.stop().await.unwrap();
    let begun = take_over(&service, &old, true).await;
    assert!(begun.is_alone && begun.serves);
    assert_eq!(begun.launch.port, Some(21_082));
    assert_eq!(read(&site.path("told")), told, "the proxy need not be told");
    service.stop().await.unwrap();
}

#[tokio::test]
async fn a_release_that_runs_alone_ends_both() {
    let site = site();
    let service = site.open();
    take_over(&service, &launch(&site, "0001-aa", &PORTS), true).await;
    take_over(&service, &launch(&site, "0002-bb", &PORTS), true).await;
    site.settles_at(2).await;
    let alone = site.launch("exec sleep 600");
    service.start(&alone).await.unwrap();
    site.settles_at(1).await;
    assert_eq!(slot_of(&service).await, alone.slot);
    service.stop().await.unwrap();
}
