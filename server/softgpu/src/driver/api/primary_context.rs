//! Primary contexts.

use crate::driver::edge::{Out, Result, api};
use crate::driver::machine::{alive, device};

api! {
    fn cuDevicePrimaryCtxRetain(context: Out<u64>, dev: i32) {
        context.require()?;
        let device = device(dev)?;
        context.put(device.primary.retain(device)?.handle)
    }

    fn cuDevicePrimaryCtxRelease_v2(dev: i32) {
        release(dev)
    }

    fn cuDevicePrimaryCtxRelease(dev: i32) {
        release(dev)
    }

    fn cuDevicePrimaryCtxSetFlags_v2(dev: i32, flags: u32) {
        set_flags(dev, flags)
    }

    fn cuDevicePrimaryCtxSetFlags(dev: i32, flags: u32) {
        set_flags(dev, flags)
    }

    fn cuDevicePrimaryCtxGetState(dev: i32, flags: Out<u32>, active: Out<i32>) {
        let (set, is_active) = device(dev)?.primary.flags_and_active();
        flags.put(set)?;
        active.put(is_active.into())
    }

    fn cuDevicePrimaryCtxReset_v2(dev: i32) {
        reset(dev)
    }

    fn cuDevicePrimaryCtxReset(dev: i32) {
        reset(dev)
    }
}

fn release(dev: i32) -> Result {
    device(dev)?.primary.release()
}

fn reset(dev: i32) -> Result {
    let device = device(dev)?;
    alive()?;
    device.primary.reset();
    Ok(())
}

fn set_flags(dev: i32, flags: u32) -> Result {
    let device = device(dev)?;
    super::context::check_flags(flags)?;
    device.primary.set_flags(flags);
    Ok(())
}
