//! Reads of textures, reads and writes of surfaces, lane by lane.
#![allow(unsafe_code)] // follows addresses of texels that lie inside their image, whose memory its object keeps or was just seen to be live.

use super::super::Fault;
use super::super::alu::LANES;
use super::super::ir::*;
use super::super::texture::{Geometry, Image, Surface, Texel, Texture, blend, face};
use super::{Env, Path, Warp, each};
use std::sync::Arc;

impl Warp {
    fn rows_of(&self, path: &Path, regs: &[Reg; 4]) -> [[u64; LANES]; 4] {
        regs.map(|reg| if reg == SINK { [0; LANES] } else { *self.row(path, reg) })
    }

    pub(super) fn texture(
        &mut self,
        env: &mut Env,
        path: &Path,
        mask: u32,
        op: &TextureOp,
        line: u32,
    ) -> Result<(), Fault> {
        let handles = *self.row(path, op.texture);
        let coordinates = self.rows_of(path, &op.coordinates);
        let details = op.level.map(|level| *self.row(path, level));
        let mut values = [[0u64; LANES]; 4];
        let mut known: Option<(u64, Arc<dyn Texture>)> = None;
        let mut fault = None;
        each(mask, |lane| {
            if fault.is_some() {
                return;
            }
            if known.as_ref().is_none_or(|(handle, _)| *handle != handles[lane]) {
                match env.ranges.texture(handles[lane]) {
                    Some(texture) => known = Some((handles[lane], texture)),
                    None => fault = Some(no_image(handles[lane], line)),
                }
            }
            let Some((_, texture)) = &known else { return };
            let detail = details.map(|details| details[lane] as u32);
            let texel = read(texture.as_ref(), op, coordinates.map(|row| row[lane] as u32), detail);
            values.iter_mut().zip(texel).for_each(|(row, value)| row[lane] = value.into());
        });
        if let Some(fault) = fault {
            return Err(fault);
        }
        for (d, values) in op.d.iter().zip(&values) {
            self.put(path, mask, *d, values);
        }
        Ok(())
    }

    pub(super) fn surface(
        &mut self,
        env: &mut Env,
        path: &Path,
        mask: u32,
        op: &SurfaceOp,
        line: u32,
    ) -> Result<(), Fault> {
        let handles = *self.row(path, op.surface);
        let coordinates = self.rows_of(path, &op.coordinates);
        let mut values = self.rows_of(path, &op.values);
        let mut known: Option<(u64, Arc<dyn Surface>)> = None;
        let mut fault = None;
        each(mask, |lane| {
            if fault.is_some() {
                return;
            }
            if known.as_ref().is_none_or(|(handle, _)| *handle != handles[lane]) {
                match env.ranges.surface(handles[lane]) {
                    Some(surface) => known = Some((handles[lane], surface)),
                    None => fault = Some(no_image(handles[lane], line)),
                }
            }
            let Some((_, surface)) = &known else { return };
            let at = coordinates.map(|row| row[lane] as u32 as i32);
            match place(surface.image(), op, at) {
                Placed::At(address) => each_element(op, &mut values, lane, address),
                Placed::Nowhere if op.loads => values.iter_mut().for_each(|row| row[lane] = 0),
                Placed::Nowhere => {}
                Placed::Beyond => fault = Some(Fault::Trap { line }),
            }
        });
        if let Some(fault) = fault {
            return Err(fault);
        }
        if op.loads {
            for (d, values) in op.values.iter().zip(&values) {
                self.put(path, mask, *d, values);
            }
        }
        Ok(())
    }

    pub(super) fn image_query(
        &mut self,
        env: &mut Env,
        path: &Path,
        mask: u32,
        (which, of_surface): (ImageFact, bool),
        (d, image): (Reg, Reg),
        line: u32,
    ) -> Result<(), Fault> {
        let handles = *self.row(path, image);
        let mut values = [0u64; LANES];
        let mut fault = None;
        each(mask, |lane| {
            let image = match of_surface {
                true => env.ranges.surface(handles[lane]).map(|surface| *surface.image()),
                false => env.ranges.texture(handles[lane]).map(|texture| texture.levels()[0]),
            };
            match (image, which) {
                (Some(image), ImageFact::Width) => values[lane] = image.width,
                (Some(image), ImageFact::Height) => values[lane] = image.height,
                (Some(image), ImageFact::Depth) => values[lane] = image.depth,
                (None, _) => fault = Some(no_image(handles[lane], line)),
            }
        });
        match fault {
            Some(fault) => Err(fault),
            None => {
                self.put(path, mask, d, &values);
                Ok(())
            }
        }
    }
}

/// What is no object, or reads memory that is gone.
fn no_image(handle: u64, line: u32) -> Fault {
    Fault::IllegalAddress { address: handle, bytes: 0, write: false, line }
}

/// The slice that a layer, and the face of a cube, mean.
fn slice(geometry: Geometry, image: &Image, layer: u32, face: i64) -> i64 {
    let (layer, faces) = (i64::from(layer), if geometry.cube { 6 } else { 1 });
    let layers = (image.depth as i64 / faces).max(1);
    if geometry.layered { layer.clamp(0, layers - 1) * faces + face } else { face }
}

fn read(texture: &dyn Texture, op: &TextureOp, registers: [u32; 4], detail: Option<u32>) -> Texel {
    let (sampler, levels, geometry) = (texture.sampler(), texture.levels(), op.geometry);
    // A layer comes first.
    let skip = usize::from(geometry.layered);
    let layer = if geometry.layered { registers[0] } else { 0 };
    let coordinate = |axis: usize| registers.get(axis + skip).copied().unwrap_or(0);
    if op.whole {
        let level = detail.map_or(0, |level| (level as usize).min(levels.len() - 1));
        let image = &levels[level];
        let mut at = [0, 1, 2].map(|axis| i64::from(coordinate(axis) as i32));
        if geometry.layered {
            at[2] = slice(geometry, image, layer, 0);
        }
        return sampler.fetch(image, at, geometry);
    }
    let mut at = [0, 1, 2].map(|axis| f32::from_bits(coordinate(axis)));
    let mut on_face = 0;
    if geometry.cube {
        let (face, place) = face(at);
        on_face = face;
        // A cube's coordinates are directions, whatever the texture says of others.
        let scale = |axis: usize| {
            if sampler.normalized { 1.0 } else { [levels[0].width, levels[0].height][axis] as f32 }
        };
        at = [place[0] * scale(0), place[1] * scale(1), 0.0];
    }
    if let Some(channel) = op.gather {
        let slice = slice(geometry, &levels[0], layer, on_face);
        return sampler.gather(&levels[0], [at[0], at[1]], slice, channel.into(), geometry);
    }
    let (first, second, weight) = sampler.levels(detail.map_or(0.0, f32::from_bits), levels.len());
    let sample = |level: usize| {
        let image = &levels[level];
        sampler.sample(image, at, slice(geometry, image, layer, on_face), geometry)
    };
    if weight == 0.0 { sample(first) } else { blend(sample(first), sample(second), weight) }
}

enum Placed {
    At(u64),
    Nowhere,
    Beyond,
}

/// Where in a surface coordinates lead, the first of which counts bytes.
fn place(image: &Image, op: &SurfaceOp, at: [i32; 4]) -> Placed {
    let skip = usize::from(op.geometry.layered);
    let size = i64::from(op.bytes) * i64::from(op.count);
    let axis = |axis: usize| i64::from(at.get(axis + skip).copied().unwrap_or(0));
    let (row_bytes, dimensions) = ((image.width * image.element_bytes()) as i64, op.geometry.dimensions);
    let (mut x, mut y) = (axis(0), if dimensions > 1 { axis(1) } else { 0 });
    let mut z = if op.geometry.layered {
        i64::from(at[0])
    } else if dimensions > 2 {
        axis(2)
    } else {
        0
    };
    if x % i64::from(op.bytes) != 0 {
        return Placed::Beyond;
    }
    let (height, depth) = (image.height as i64, image.depth as i64);
    let inside = |x: i64, y: i64, z: i64| {
        x >= 0 && x + size <= row_bytes && (0..height).contains(&y) && (0..depth).contains(&z)
    };
    if !inside(x, y, z) {
        match op.beyond {
            Beyond::Trap => return Placed::Beyond,
            Beyond::Zero => return Placed::Nowhere,
            Beyond::Clamp => {
                x = x.clamp(0, (row_bytes - size).max(0));
                (y, z) = (y.clamp(0, height - 1), z.clamp(0, depth - 1));
                if !inside(x, y, z) {
                    return Placed::Nowhere;
                }
            }
        }
    }
    Placed::At(image.row(y as u64, z as u64) + x as u64)
}

/// Reads or writes the elements of one lane.
fn each_element(op: &SurfaceOp, values: &mut [[u64; LANES]; 4], lane: usize, address: u64) {
    for (index, row) in values.iter_mut().enumerate().take(op.count.into()) {
        let at = (address + index as u64 * u64::from(op.bytes)) as *mut u8;
        let value = &mut row[lane];
        // SAFETY: `place` has seen that all elements lie in the image, at a multiple of their size; the surface keeps its memory.
        unsafe {
            match (op.bytes, op.loads) {
                (1, true) => *value = at.read_volatile().into(),
                (2, true) => *value = at.cast::<u16>().read_volatile().into(),
                (4, true) => *value = at.cast::<u32>().read_volatile().into(),
                (_, true) => *value = at.cast::<u64>().read_volatile(),
                (1, false) => at.write_volatile(*value as u8),
                (2, false) => at.cast::<u16>().write_volatile(*value as u16),
                (4, false) => at.cast::<u32>().write_volatile(*value as u32),
                (_, false) => at.cast::<u64>().write_volatile(*value),
            }
        }
    }
}
