//! The loop's own order, with a real engine and real files.

use model::size::ByteCount;

use super::*;
use crate::limits::{SHUTDOWN_MARGIN, SPILL_LIMIT};
use crate::logging::Level;
use crate::pipeline::engine::Config;
use crate::pipeline::event::Stopping;
use crate::pipeline::metrics::MetricsFormat;
use crate::spill::temporary::Temporary;

const DOCUMENTS: u32 = 120;

/// An application that holds megabytes of documents, and the ends of its queues.
fn laden(temporary: &Temporary) -> (App, mpsc::Receiver<Job>) {
    let mut engine = Engine::new(Config {
        spool_budget: ByteCount::mib(64),
        process_budget: ByteCount::mib(1024),
        metrics: MetricsFormat::Emf,
        spills: true,
        ..Config::of_tests()
    });
    engine.handle(Clock.now(), Event::Subscribed(false));
    for id in 0..DOCUMENTS {
        let datagram = format!(
            "{{\"format\":\"json\",\"version\":1}}\n{{\"name\":\"x\",\"id\":\"{id:016x}\",\
             \"trace_id\":\"1-67881233-abcdef012345678812345678\",\"start_time\":1,\"end_time\":2,\
             \"metadata\":{{\"x\":{{\"y\":\"{}\"}}}}}}",
            "x".repeat(40_000)
        );
        engine.handle(Clock.now(), Event::Arrived(vec![datagram.into_bytes().into()]));
    }
    let (jobs, job_receiver) = mpsc::channel(4);
    let done = mpsc::channel(1).1;
    let queues = Queues {
        signals: mpsc::channel(1).1,
        posted: mpsc::channel(1).1,
        deliveries: mpsc::channel(1).1,
        outbounds: PerLane::one(End::new(jobs, done)),
        signs: None,
        restored: Arc::default(),
    };
    let mut app = App::new(engine, None, queues, Log { level: Level::Error });
    app.keep_files(PerLane::one(Store::new(&temporary.0, SPILL_LIMIT)));
    (app, job_receiver)
}

#[tokio::test]
async fn the_last_metrics_add_up_to_the_tally_with_what_came_after_everything_else() {
    for reason in ["spindown", "timeout"] {
        let temporary = Temporary::new();
        let (mut app, _jobs) = laden(&temporary);
        let socket = DatagramSocket::bind("127.0.0.1:0".parse().unwrap()).unwrap();
        let straggler = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
        straggler.connect(socket.address().unwrap()).unwrap();
        app.socket = Some(socket);
        let stopping = Stopping {
            reason: reason.into(),
            deadline: Clock.now().after(SHUTDOWN_MARGIN),
        };
        assert!(app.work(Event::Stopping(stopping)));
        straggler.send(b"no header").unwrap();
        app.socket.as_ref().unwrap().readable().await;
        let (metrics, word) = app.last_words();
        let (metrics, tally) = (&metrics[0], word.fields);
        assert_eq!(tally["rejected"]["total"], 1);
        for (metric, total) in [
            ("DocumentsReceived", &tally["received"]["total"]),
            ("DocumentsRejected", &tally["rejected"]["total"]),
            ("DocumentsHeld", &tally["held"]),
        ] {
            assert_eq!(metrics[metric], *total, "{metric} after {reason}");
        }
        assert_eq!(tally["held_in_file"].as_u64() > Some(0), reason == "timeout");
        assert!(app.engine.untold_metrics(Clock.now()).is_empty());
    }
}

#[test]
fn where_memory_gets_low_the_backlog_gives_back_the_room_that_a_burst_took() {
    let temporary = Temporary::new();
    let (mut app, _jobs) = laden(&temporary);
    (0..1000).for_each(|_| app.backlog.push(vec![1].into()));
    app.backlog.take(1000);
    for (available, is_low) in [(ByteCount::mib(1000), false), (ByteCount::mib(30), true)] {
        app.work(Event::Memory(Reading {
            available: Some(available),
            ..Reading::default()
        }));
        assert_eq!(app.backlog.places() == 0, is_low);
    }
}

#[test]
fn a_long_row_of_work_on_the_files_is_one_piece_to_a_turn() {
    let temporary = Temporary::new();
    let (mut app, _jobs) = laden(&temporary);
    assert_eq!(app.engine.held_documents(Lane::FIRST), u64::from(DOCUMENTS));
    app.engine.spill_everything(true);
    app.work(Event::Tick);
    let mut turns = 0;
    let mut before = app.files.of(Lane::FIRST).documents();
    while !app.filed.is_empty() {
        app.tell_filed();
        let in_file = app.files.of(Lane::FIRST).documents();
        assert!(in_file - before <= 16, "{before} {in_file}"); // of 40 KB, to half a megabyte
        before = in_file;
        turns += 1;
    }
    assert!(turns > 4, "{turns}");
    assert!(before > 60, "{before}");
    assert_eq!(app.engine.held_documents(Lane::FIRST), u64::from(DOCUMENTS));
}
