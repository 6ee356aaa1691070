//! Every case, against a session in this process: some thousand a second.

use farwarp_server::rig::{Broken, Rig};
use farwarp_tests::Judge;

use crate::case::{self, Case};
use crate::client::Client;
use crate::field::{Foreign, Verdict};
use crate::ledger::{Ledger, rule_of};
use crate::scene::Scene;
use crate::shape::{self, Shape};

/// A session with a scene set.
pub struct Stage {
    pub client: Client<Rig>,
    pub scene: Scene,
}

impl Stage {
    pub fn set(judge: &Judge) -> Self {
        let (rig, _) = Rig::open(&judge.driver()).expect("the judge's driver loads");
        let mut client = Client::in_process(rig);
        let scene = Scene::set(&mut client);
        Self { client, scene }
    }
}

/// Addresses that a session of this process must not name, as long as the other session lives.
fn foreign(other: &Stage) -> Foreign {
    Foreign {
        other_session: vec![other.scene.address, other.scene.address + 8],
        of_the_worker: host_addresses("/proc/self/maps"),
    }
}

/// Where code, data, heap and stack of a process begin.
pub fn host_addresses(maps: &str) -> Vec<u64> {
    const WANTED: usize = 6;
    let maps = std::fs::read_to_string(maps).unwrap_or_default();
    let named =
        maps.lines().filter(|line| line.ends_with(']') || line.contains(".so") || line.contains("/bin/"));
    let start = |line: &str| u64::from_str_radix(line.split('-').next()?, 16).ok();
    let all: Vec<u64> = named.filter_map(start).collect();
    let step = (all.len() / WANTED).max(1);
    all.into_iter().step_by(step).collect()
}

/// Runs them all; says what nobody has described.
pub fn run(judge: &Judge, ledger: &mut Ledger) -> Vec<String> {
    let other = Stage::set(judge);
    let foreign = foreign(&other);
    let (shapes, unknown) = shape::all(&Stage::set(judge).scene, &foreign);
    for index in 0..shapes.len() {
        // Each call against a session of its own, because an honest one changes what is there.
        let mut stage = Stage::set(judge);
        let mut at = 0;
        while let Some(cases) = stage.cases(index, &foreign).get(at..).filter(|rest| !rest.is_empty()) {
            at += stage.run_until_one_passes(cases, judge, ledger);
            stage.scene.fresh += 1;
        }
        drop(stage);
        let fresh = Stage::set(judge);
        let shape = shape::all(&fresh.scene, &foreign).0.swap_remove(index);
        fresh.speaks_honestly(&shape);
    }
    let mut stage = Stage::set(judge);
    let honest = stage.client.header(0, stage.scene.context.0);
    for case in case::of_no_call(honest) {
        stage.run(&case, honest.number, judge, ledger);
    }
    unknown
}

impl Stage {
    /// Every lie about one call, those last of which the driver is the judge.
    fn cases(&self, index: usize, foreign: &Foreign) -> Vec<Case> {
        let shape = &shape::all(&self.scene, foreign).0[index];
        let header = self.client.header(shape.op, self.scene.context.0);
        let mut cases = case::of_arguments(shape, header);
        cases.extend(case::of_header(shape, header, &self.scene));
        cases.extend(case::of_bytes(shape, header));
        cases.sort_by_key(|case| matches!(case.verdict, Verdict::Judged));
        cases
    }

    /// How many were run.
    fn run_until_one_passes(&mut self, cases: &[Case], judge: &Judge, ledger: &mut Ledger) -> usize {
        let made_for = self.client.next;
        let passed = cases.iter().position(|case| self.run(case, made_for, judge, ledger));
        passed.map_or(cases.len(), |at| at + 1)
    }

    /// The same call with nothing wrong in it gets through; else every lie would be stopped by chance.
    fn speaks_honestly(mut self, shape: &Shape) {
        let answer = self.client.ask(shape.op, self.scene.context.0, &shape.honest());
        if let Err(end) = answer {
            panic!("an honest {} ended the session: {end:?}", shape.name);
        }
    }

    /// Whether it went through.
    fn run(&mut self, case: &Case, made_for: u64, judge: &Judge, ledger: &mut Ledger) -> bool {
        let mut frame = case.frame.clone();
        // The case was made for an earlier place in the log.
        let number = frame[8..16].iter().rev().fold(0u64, |number, byte| number << 8 | u64::from(*byte));
        let is_control = matches!(frame[26], 4 | 5);
        if !is_control {
            let number = number.wrapping_add(self.client.next).wrapping_sub(made_for);
            frame[8..16].copy_from_slice(&number.to_le_bytes());
        }
        let before = judge.count();
        let taken = self.client.road.take(&frame);
        self.client.road.settle();
        let answers = self.client.answers();
        let reached = judge.count() - before;
        if let Some(objection) = judge.objection() {
            panic!("{} ({}): {objection}", case.what, case.kind);
        }
        match (&taken, case.verdict) {
            (Err(broken), verdict) => {
                let rule = rule_of(broken);
                ledger.learn(&broken.to_string(), rule);
                ledger.stopped(case.kind, rule);
                if reached > 0 {
                    ledger.fault(case, &format!("stopped by {rule}, but after {reached} driver calls"));
                }
                if matches!(verdict, Verdict::Stopped(expected) if rule != expected) {
                    ledger.fault(case, &format!("stopped by {rule}: {broken}"));
                }
            }
            (Ok(()), Verdict::Judged) => ledger.passed(case.kind),
            (Ok(()), _) => ledger.fault(case, &format!("let through, and answered {answers:?}")),
        }
        let broke = matches!(taken, Err(Broken::Session(_)));
        if case.breaks || broke {
            self.client.again();
        } else {
            self.client.next += 1;
        }
        taken.is_ok()
    }
}
