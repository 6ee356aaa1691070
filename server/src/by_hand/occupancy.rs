//! Occupancy where more than numbers is asked.
#![allow(unsafe_code)] // calls the driver.

use super::launch::with_configuration;
use crate::executor::{Call, Executor, Reply};
use crate::refusal::Refusal;
use farwarp_protocol::call::{Launch, PotentialBlockSize};
use farwarp_protocol::codec::{decode, encode};
use std::cell::RefCell;

thread_local! {
    /// What the client's function said, for the driver's question that is under way.
    static SAID: RefCell<Vec<(i32, u64)>> = const { RefCell::new(Vec::new()) };
}

/// The driver asks this instead of the client's function. A size that was not asked there counts as the next larger one.
extern "C" fn as_said(threads: i32) -> usize {
    SAID.with_borrow(|said| {
        let enough = said.iter().filter(|(size, _)| *size >= threads).min_by_key(|(size, _)| *size);
        enough.or(said.last()).map_or(0, |(_, bytes)| *bytes as usize)
    })
}

pub fn potential_block_size(executor: &mut Executor, call: &Call) -> Result<Reply, Refusal> {
    let question: PotentialBlockSize = decode(call.body)?;
    let function = executor.launchable(question.function)?;
    executor.enter(call)?;
    let of = (!question.shared_bytes_by_block.is_empty()).then_some(as_said as extern "C" fn(i32) -> usize);
    SAID.set(question.shared_bytes_by_block);
    let (mut grid, mut block) = (0, 0);
    let (bytes, limit, flags) = (question.shared_bytes as usize, question.limit, question.flags);
    // SAFETY: a live function, a function of ours, two places to write.
    let outcome = unsafe {
        executor.driver.cuOccupancyMaxPotentialBlockSizeWithFlags(
            &mut grid, &mut block, function, of, bytes, limit, flags,
        )
    };
    Ok(outcome.map(|()| encode(&(grid, block))).into())
}

pub fn potential_cluster_size(executor: &mut Executor, call: &Call) -> Result<Reply, Refusal> {
    let driver = executor.driver;
    let launch: Launch = decode(call.body)?;
    let mut size = 0i32;
    let outcome = with_configuration(executor, call, &launch, |config, function| {
        // SAFETY: a configuration of ours, a live function, a place to write.
        unsafe { driver.cuOccupancyMaxPotentialClusterSize(&mut size, function, config) }
    })?;
    Ok(outcome.map(|()| encode(&size)).into())
}

pub fn active_clusters(executor: &mut Executor, call: &Call) -> Result<Reply, Refusal> {
    let driver = executor.driver;
    let launch: Launch = decode(call.body)?;
    let mut count = 0i32;
    let outcome = with_configuration(executor, call, &launch, |config, function| {
        // SAFETY: as above.
        unsafe { driver.cuOccupancyMaxActiveClusters(&mut count, function, config) }
    })?;
    Ok(outcome.map(|()| encode(&count)).into())
}
