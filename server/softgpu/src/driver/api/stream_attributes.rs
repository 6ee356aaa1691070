//! Attributes of streams. They are hints here, kept so that a program finds what it left.

use farwarp_face::*;

use crate::driver::edge::{In, Out, Result, api};
use crate::driver::ranges::lock;
use crate::driver::stream::{AttributeValue, Attributes, Place, resolve};

api! {
    fn cuStreamGetAttribute | cuStreamGetAttribute_ptsz(stream: u64, attribute: u32, value: Out<AttributeValue>) {
        let place = resolve(stream)?;
        value.require()?;
        known(attribute)?;
        let kept = with_attributes(&place, |kept| kept.get(&attribute).copied());
        value.put(kept.unwrap_or([0; 16]))
    }

    fn cuStreamSetAttribute | cuStreamSetAttribute_ptsz(stream: u64, attribute: u32, value: In<AttributeValue>) {
        let place = resolve(stream)?;
        known(attribute)?;
        let mut value = value.get()?;
        if attribute == SYNCHRONIZATION_POLICY && !SYNCHRONIZATION_POLICIES.contains(&value[0]) {
            return Err(CUDA_ERROR_INVALID_VALUE);
        }
        if attribute == PRIORITY {
            // There is one priority, and what a program asks for is clamped.
            value[0] = 0;
        }
        with_attributes(&place, |kept| kept.insert(attribute, value));
        Ok(())
    }

    fn cuStreamCopyAttributes | cuStreamCopyAttributes_ptsz(to: u64, from: u64) {
        let (to, from) = (resolve(to)?, resolve(from)?);
        let copied = with_attributes(&from, |kept| kept.clone());
        with_attributes(&to, |kept| *kept = copied);
        Ok(())
    }
}

/// Those of `CUstreamAttrID`: access policy window, synchronization policy, priority, memory synchronization domains.
const SYNCHRONIZATION_POLICY: u32 = 3;
const PRIORITY: u32 = 8;
const ATTRIBUTES: [u32; 5] = [1, SYNCHRONIZATION_POLICY, PRIORITY, 9, 10];
/// CU_SYNC_POLICY_AUTO to CU_SYNC_POLICY_BLOCKING_SYNC; zero is what an attribute begins as.
const SYNCHRONIZATION_POLICIES: std::ops::RangeInclusive<u32> = 0..=4;

fn known(attribute: u32) -> Result {
    if ATTRIBUTES.contains(&attribute) { Ok(()) } else { Err(CUDA_ERROR_INVALID_VALUE) }
}

/// The legacy stream's attributes are its context's.
fn with_attributes<T>(place: &Place, of: impl FnOnce(&mut Attributes) -> T) -> T {
    match place.stream() {
        Some(stream) => of(&mut lock(&stream.attributes)),
        None => of(&mut lock(&place.context.legacy_attributes)),
    }
}
