//! Peer context memory access. All devices of this driver are in one memory, so every pair may see each other's, once asked.

use farwarp_face::*;

use crate::driver::context;
use crate::driver::current::current;
use crate::driver::edge::{Out, api};
use crate::driver::machine::device;
use crate::driver::ranges::{self, lock};

api! {
    fn cuDeviceCanAccessPeer(can: Out<i32>, dev: i32, peer: i32) {
        device(dev)?;
        device(peer)?;
        can.put((dev != peer).into())
    }

    fn cuCtxEnablePeerAccess(peer: u64, flags: u32) {
        let context = current()?;
        let ordinal = context::find(peer)?.device.ordinal;
        if flags != 0 {
            return Err(CUDA_ERROR_INVALID_VALUE);
        }
        if ordinal == context.device.ordinal {
            return Err(CUDA_ERROR_INVALID_DEVICE);
        }
        let mut peers = lock(&context.viewer.peers);
        if peers.contains(&ordinal) {
            return Err(CUDA_ERROR_PEER_ACCESS_ALREADY_ENABLED);
        }
        peers.push(ordinal);
        drop(peers);
        ranges::rights_changed();
        Ok(())
    }

    fn cuCtxDisablePeerAccess(peer: u64) {
        let context = current()?;
        let ordinal = context::find(peer)?.device.ordinal;
        let mut peers = lock(&context.viewer.peers);
        let before = peers.len();
        peers.retain(|other| *other != ordinal);
        if peers.len() == before {
            return Err(CUDA_ERROR_PEER_ACCESS_NOT_ENABLED);
        }
        drop(peers);
        ranges::rights_changed();
        Ok(())
    }

    fn cuDeviceGetP2PAttribute(value: Out<i32>, attribute: u32, from: i32, to: i32) {
        device(from)?;
        device(to)?;
        let known = match attribute {
            PERFORMANCE_RANK => 0,
            ACCESS_SUPPORTED | NATIVE_ATOMIC_SUPPORTED => 1,
            CUDA_ARRAY_ACCESS_SUPPORTED | ONLY_PARTIAL_ATOMIC_SUPPORTED => 0,
            _ => return Err(CUDA_ERROR_INVALID_VALUE),
        };
        if from == to {
            return Err(CUDA_ERROR_INVALID_DEVICE);
        }
        value.put(known)
    }
}

const PERFORMANCE_RANK: u32 = 1;
const ACCESS_SUPPORTED: u32 = 2;
const NATIVE_ATOMIC_SUPPORTED: u32 = 3;
const CUDA_ARRAY_ACCESS_SUPPORTED: u32 = 4;
const ONLY_PARTIAL_ATOMIC_SUPPORTED: u32 = 5;
