//! Probes against real listeners and programs, and what rows of looks mean.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU16, Ordering};

use proptest::prelude::*;
use sanaga_proto::ids::Digest;
use sanaga_proto::manifest::ServiceKind;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;

use super::verdict::together;
use super::*;
use crate::clock::{Clock, ClockTrust, SystemClock};
use crate::service::{Limits, ServiceSpec};

fn spec(target: ProbeTarget) -> ProbeSpec {
    ProbeSpec {
        target,
        interval_s: 10,
        timeout_s: 1,
        failures_max: 3,
        successes_min: 2,
        start_period_s: 30,
    }
}

fn launch() -> Launch {
    Launch {
        app: "shop".parse().unwrap(),
        version: "1".parse().unwrap(),
        spec: ServiceSpec {
            kind: ServiceKind::None,
            command: Vec::new(),
            start: Vec::new(),
            stop: Vec::new(),
            status: Vec::new(),
            units: Vec::new(),
            stop_grace: Duration::from_secs(1),
            user: None,
            beside: None,
            limits: Limits::default(),
        },
        port: None,
        slot: std::env::temp_dir(),
        settings: PathBuf::from("/nonexistent"),
        settings_digest: Digest::of(b""),
        data: std::env::temp_dir(),
    }
}

/// A listener that answers every connection with these bytes, then closes it (or keeps it open).
async fn answering(answer: &'static [u8], keep: bool) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    tokio::spawn(async move {
        let mut kept = Vec::new();
        while let Ok((mut stream, _)) = listener.accept().await {
            let mut request = [0; 1_024];
            let _ = stream.read(&mut request).await;
            let _ = stream.write_all(answer).await;
            if keep {
                kept.push(stream);
            }
        }
    });
    address
}

async fn get(answer: &'static [u8], keep: bool) -> Result<(), LookError> {
    let address = answering(answer, keep).await;
    let url = format!("http://{address}/health?full=1");
    look(&spec(ProbeTarget::Http { url }), &launch()).await
}

#[tokio::test]
async fn http_takes_200_to_399_and_follows_nothing() {
    assert!(get(b"HTTP/1.1 200 OK\r\n\r\n", false).await.is_ok());
    assert!(get(b"HTTP/1.1 204 No Content\r\n\r\n", true).await.is_ok());
    assert!(get(b"HTTP/1.0 200 OK\r\n\r\nbody", false).await.is_ok());
    let elsewhere = b"HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:1/\r\n\r\n";
    assert!(get(elsewhere, false).await.is_ok());
    for (answer, status) in [
        (&b"HTTP/1.1 404 Not Found\r\n\r\n"[..], 404),
        (b"HTTP/1.1 503 Busy\r\nContent-Length: 9999\r\n\r\n", 503),
        (b"HTTP/1.1 400 Bad\r\n\r\n", 400),
    ] {
        let error = get(answer, true).await.unwrap_err();
        assert_eq!(error.to_string(), format!("answered {status}"));
    }
}

#[tokio::test]
async fn http_refuses_what_is_no_answer() {
    for (answer, keep) in [
        (&b""[..], false),
        (b"SSH-2.0-OpenSSH_9.2\r\n", true),
        (b"HTTP/1.1 abc\r\n\r\n", true),
        (b"HTTP/1.1 200 OK\r\nX: ", false),
    ] {
        let error = get(answer, keep).await.unwrap_err();
        assert!(matches!(error, LookError::NoAnswer { .. }), "{error}");
    }
    let huge: &'static [u8] = Box::leak(
        [b"HTTP/1.1 200 OK\r\nX: ".to_vec(), vec![b'x'; 100_000]]
            .concat()
            .into_boxed_slice(),
    );
    let error = get(huge, true).await.unwrap_err();
    assert!(matches!(error, LookError::NoAnswer { .. }), "{error}");
    let error = get(b"HTTP/1.1 200", true).await.unwrap_err();
    assert_eq!(error.to_string(), "no answer after 1 s");
}

#[tokio::test]
async fn targets_that_are_none_say_so() {
    for url in [
        "https://127.0.0.1/",
        "127.0.0.1:80",
        "",
        "http://",
        "/health",
    ] {
        let target = ProbeTarget::Http {
            url: url.to_owned(),
        };
        let error = look(&spec(target), &launch()).await.unwrap_err();
        assert!(
            matches!(error, LookError::BadTarget { .. }),
            "{url}: {error}"
        );
    }
}

#[tokio::test]
async fn tcp_wants_somebody_to_accept() {
    let address = answering(b"", true).await;
    let open = spec(ProbeTarget::Tcp { address });
    assert!(look(&open, &launch()).await.is_ok());
    let free = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = free.local_addr().unwrap().to_string();
    drop(free);
    for address in [address, "nonsense".to_owned(), String::new()] {
        let closed = spec(ProbeTarget::Tcp { address });
        let error = look(&closed, &launch()).await.unwrap_err();
        assert!(matches!(error, LookError::NoConnection { .. }), "{error}");
    }
}

#[tokio::test]
async fn exec_wants_the_end_with_0_and_in_time() {
    let of = |script: &str| {
        let command = ["/bin/sh", "-c", script].map(str::to_owned).to_vec();
        spec(ProbeTarget::Exec { command })
    };
    let launch = launch();
    let own = "test \"$PWD\" = \"$SANAGA_RELEASE\" && test \"$SANAGA_APP\" = shop";
    assert!(look(&of(own), &launch).await.is_ok());
    let loud = "yes | head -c 300000; echo first >&2; echo last >&2; exit 3";
    let error = look(&of(loud), &launch).await.unwrap_err();
    assert_eq!(error.to_string(), "ended with code 3: last");
    let error = look(&of("kill -9 $$"), &launch).await.unwrap_err();
    assert_eq!(error.to_string(), "ended with code 137");
    let error = look(&of("sleep 60 & sleep 60"), &launch).await.unwrap_err();
    assert_eq!(error.to_string(), "no end after 1 s");
    // What the program leaves running does not keep the probe waiting.
    assert!(look(&of("sleep 2 & exit 0"), &launch).await.is_ok());
    let absent = spec(ProbeTarget::Exec {
        command: vec!["bin/absent".to_owned()],
    });
    assert!(look(&absent, &launch).await.is_err());
}

fn secs(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

/// Takes in looks at these times; `true` is success.
fn history(spec: &ProbeSpec, looks: &[(u64, bool)]) -> ProbeHistory {
    let mut history = ProbeHistory::new(secs(100));
    for (at_s, ok) in looks {
        let problem = (!ok).then(|| format!("bad at {at_s}"));
        let at = secs(*at_s);
        history.record(spec, Look { at, problem });
    }
    history
}

#[test]
fn sides_change_at_their_thresholds_only() {
    let spec = spec(ProbeTarget::Tcp {
        address: String::new(),
    });
    let of = |looks: &[(u64, bool)]| {
        let now_s = looks.last().map_or(100, |look| look.0);
        verdict(&history(&spec, looks), &spec, secs(now_s))
    };
    let failing = |failures, at_s| Verdict::Failing {
        failures,
        problem: format!("bad at {at_s}"),
    };
    assert_eq!(of(&[]), Verdict::Pending);
    assert_eq!(of(&[(131, true)]), Verdict::Pending);
    assert_eq!(of(&[(131, true), (141, true)]), Verdict::Passing);
    let down = [(131, false), (141, false), (151, false)];
    assert_eq!(of(&down[..2]), Verdict::Pending);
    assert_eq!(of(&down), failing(3, 151));
    let broken = [(131, false), (141, false), (151, true), (161, false)];
    assert_eq!(of(&broken), Verdict::Pending, "the row was broken");
    let up = [(131, true), (141, true)];
    let shaky = [&up[..], &[(151, false), (161, false)]].concat();
    assert_eq!(of(&shaky), Verdict::Passing);
    let fallen = [&shaky[..], &[(171, false)]].concat();
    assert_eq!(of(&fallen), failing(3, 171));
    let rising = [&fallen[..], &[(181, true)]].concat();
    assert_eq!(of(&rising), failing(0, 171), "one success is not enough");
    let risen = [&rising[..], &[(191, true)]].concat();
    assert_eq!(of(&risen), Verdict::Passing);
}

#[test]
fn failures_in_the_start_period_do_not_count_and_successes_do() {
    let spec = spec(ProbeTarget::Tcp {
        address: String::new(),
    });
    let early: Vec<(u64, bool)> = (101..130).map(|at_s| (at_s, false)).collect();
    let mut seen = history(&spec, &early);
    assert_eq!(verdict(&seen, &spec, secs(130)), Verdict::Pending);
    for at_s in [130, 140] {
        seen.record(
            &spec,
            Look {
                at: secs(at_s),
                problem: Some("late".to_owned()),
            },
        );
        assert_eq!(verdict(&seen, &spec, secs(at_s)), Verdict::Pending);
    }
    let quick = history(&spec, &[(101, true), (102, true)]);
    assert_eq!(verdict(&quick, &spec, secs(102)), Verdict::Passing);
}

#[test]
fn old_looks_say_nothing() {
    let spec = spec(ProbeTarget::Tcp {
        address: String::new(),
    });
    let seen = history(&spec, &[(131, true), (141, true)]);
    assert_eq!(verdict(&seen, &spec, secs(141 + 22)), Verdict::Passing);
    assert_eq!(verdict(&seen, &spec, secs(141 + 23)), Verdict::Pending);
}

#[test]
fn a_start_is_looked_at_often() {
    let spec = spec(ProbeTarget::Tcp {
        address: String::new(),
    });
    assert_eq!(history(&spec, &[]).next(&spec), secs(100));
    let mut seen = ProbeHistory::new(secs(100));
    for (after_ms, next_ms) in [(3, 23), (160, 180), (400, 450), (16_000, 17_000)] {
        let at = secs(100) + Duration::from_millis(after_ms);
        let problem = Some(String::new());
        seen.record(&spec, Look { at, problem });
        let next = secs(100) + Duration::from_millis(next_ms);
        assert_eq!(seen.next(&spec), next, "{after_ms} ms after the start");
    }
    assert_eq!(seen.first_success(), None);
    let healthy = history(&spec, &[(101, true), (102, true)]);
    assert_eq!(healthy.next(&spec), secs(112));
    assert_eq!(healthy.first_success(), Some(secs(101)));
    assert_eq!(history(&spec, &[(131, false)]).next(&spec), secs(141));
}

#[test]
fn together_the_worst_speaks() {
    let failing = Verdict::Failing {
        failures: 3,
        problem: String::new(),
    };
    assert_eq!(together([]), (None, Verdict::Passing));
    let two = [("a", Verdict::Passing), ("b", Verdict::Pending)];
    assert_eq!(together(two), (None, Verdict::Pending));
    let three = [("a", Verdict::Pending), ("b", failing.clone())];
    assert_eq!(together(three), (Some("b"), failing));
}

proptest! {
    /// Whatever the row, failing needs `failures_max` failures after the start period in a row, and
    /// passing `successes_min` successes in a row.
    #[test]
    fn no_verdict_without_its_row(
        looks in prop::collection::vec(any::<bool>(), 0..60),
        failures_max in 1_u64..5,
        successes_min in 1_u64..5,
    ) {
        let spec = ProbeSpec { failures_max, successes_min, ..spec(ProbeTarget::Tcp { address: String::new() }) };
        let looks: Vec<(u64, bool)> = (101..).zip(looks).collect();
        let now_s = looks.last().map_or(100, |look| look.0);
        let longest = |counted: &dyn Fn(&(u64, bool)) -> Option<bool>| {
            looks.iter().filter_map(counted).fold((0_u64, 0_u64), |(row, max), hit| {
                let row = if hit { row + 1 } else { 0 };
                (row, max.max(row))
            }).1
        };
        match verdict(&history(&spec, &looks), &spec, secs(now_s)) {
            Verdict::Pending => {}
            Verdict::Passing => prop_assert!(longest(&|look| Some(look.1)) >= successes_min),
            Verdict::Failing { .. } => {
                let failures = |look: &(u64, bool)| (look.1 || look.0 >= 130).then_some(!look.1);
                prop_assert!(longest(&failures) >= failures_max);
            }
        }
    }
}

#[tokio::test]
async fn a_monitor_sees_a_service_fall_and_rise() {
    let status = Arc::new(AtomicU16::new(200));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/", listener.local_addr().unwrap());
    let now = Arc::clone(&status);
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let mut request = [0; 1_024];
            let _ = stream.read(&mut request).await;
            let answer = format!("HTTP/1.1 {} X\r\n\r\n", now.load(Ordering::SeqCst));
            let _ = stream.write_all(answer.as_bytes()).await;
        }
    });
    let clock: Arc<dyn Clock> = Arc::new(SystemClock::new(ClockTrust::Kernel));
    let fast = ProbeSpec {
        interval_s: 1,
        failures_max: 1,
        successes_min: 1,
        start_period_s: 0,
        ..spec(ProbeTarget::Http { url })
    };
    let started = clock.uptime();
    let monitor = Monitor::start(vec![fast], &Arc::new(launch()), started, &clock);
    let (name, verdict) = monitor.together();
    assert_eq!((name, verdict), (None, Verdict::Pending));
    monitor.looked().await;
    assert_eq!(monitor.together().1, Verdict::Passing);
    status.store(500, Ordering::SeqCst);
    monitor.looked().await;
    let (name, verdict) = monitor.together();
    assert!(name.unwrap().starts_with("http 127.0.0.1:"));
    let problem = "answered 500".to_owned();
    let failures = 1;
    assert_eq!(verdict, Verdict::Failing { failures, problem });
    status.store(200, Ordering::SeqCst);
    monitor.restarted(clock.uptime());
    assert_eq!(monitor.together().1, Verdict::Pending);
    monitor.looked().await;
    assert_eq!(monitor.together().1, Verdict::Passing);
}
