//! Many at once, in odd places, and some that do not end: nobody harms a neighbour, and nothing is left behind.

mod places;
mod quotas;

use std::process::Command;
use std::time::{Duration, Instant};

use farwarp_tests::{Household, Product, Road, Running, Server, not_run, run, start};

/// More than any of these programs takes on a busy machine.
const LIMIT: Duration = Duration::from_secs(120);

#[test]
fn twenty_programs_that_come_at_once_get_one_agent_and_one_server_and_are_right() {
    const PROGRAMS: usize = 20;
    let (product, household) = (Product::find(), Household::new());
    let program = product.program("vector_add.cudart12-static");
    let expected = run(&mut product.on(Road::Direct, &household, &program), LIMIT);
    let began = Instant::now();
    let crowd: Vec<Running> =
        (0..PROGRAMS).map(|_| start(&mut product.on(Road::Remote, &household, &program))).collect();
    for one in crowd {
        let outcome = one.finish(LIMIT);
        assert!(outcome.status.success() && outcome.stdout == expected.stdout, "{outcome}");
    }
    println!("{PROGRAMS} programs, begun without a server, took {:.1} s", began.elapsed().as_secs_f32());
    let status = run(household.farwarp().args(["status", "--json"]), LIMIT);
    let status: serde_json::Value = serde_json::from_slice(&status.stdout).expect("the status is JSON");
    assert_eq!(status["leases"].as_array().map(Vec::len), Some(1), "{status}");
    assert!(household.agent().is_some(), "{status}");
}

#[test]
fn programs_that_are_killed_at_any_time_leave_the_others_alone_and_nothing_behind() {
    const PROGRAMS: usize = 12;
    let server = Server::start();
    let (product, program) = (Product::find(), "matmul_tiled.cudart12-static");
    let expected = run(&mut server.directly(&product.program(program)), LIMIT);
    let crowd: Vec<Running> =
        (0..PROGRAMS).map(|_| start(&mut server.command(&product.program(program)))).collect();
    for (at, mut one) in crowd.into_iter().enumerate() {
        // Every other one, at moments that lie apart: while it dials, loads, copies, computes, or after its end.
        if at % 2 == 0 {
            std::thread::sleep(Duration::from_millis(37 * at as u64));
            one.kill();
        } else {
            let outcome = one.finish(LIMIT);
            assert!(outcome.status.success() && outcome.stdout == expected.stdout, "{outcome}");
        }
    }
    server.is_clean_within(LIMIT);
}

/// Whether `unshare` can make namespaces here.
fn can_unshare(what: &str) -> bool {
    let tried =
        Command::new("unshare").args(["--user", "--map-root-user", "--pid", "--fork", "true"]).status();
    let can = tried.is_ok_and(|status| status.success());
    if !can {
        not_run(what, "unshare makes no namespaces here");
    }
    can
}

/// Vector addition by this command is right.
fn is_right(command: &mut Command) {
    let outcome = run(command, LIMIT);
    let said = String::from_utf8_lossy(&outcome.stdout);
    assert!(outcome.status.success() && said.contains("wrong=0"), "{outcome}");
}
