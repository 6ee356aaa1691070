//! Textures and surfaces: what an instruction asks of an image, and where its coordinates are.

use super::super::PtxError;
use super::super::ir::*;
use super::super::parse::Operand;
use super::super::texture::Geometry;
use super::Body;

/// Channels by the letter that a gather names.
const CHANNELS: [&str; 4] = ["r", "g", "b", "a"];

impl<'t, 'p: 't> Body<'_, 'p, 't> {
    pub(super) fn image(&mut self, opcode: &str, operands: &[Operand<'t>]) -> Result<(), PtxError> {
        let mods: Vec<&str> = opcode.split('.').collect();
        match mods[0] {
            "tex" | "tld4" => self.texture(opcode, &mods, operands),
            "suld" | "sust" => self.surface(opcode, &mods, operands),
            _ => self.image_query(opcode, &mods, operands),
        }
    }

    fn geometry(&self, opcode: &str, mods: &[&str]) -> Result<Geometry, PtxError> {
        let known = mods.iter().find_map(|modifier| {
            let (dimensions, layered, cube) = match *modifier {
                "1d" => (1, false, false),
                "2d" => (2, false, false),
                "3d" => (3, false, false),
                "a1d" => (1, true, false),
                "a2d" => (2, true, false),
                "cube" => (2, false, true),
                "acube" => (2, true, true),
                _ => return None,
            };
            Some(Geometry { dimensions, layered, cube })
        });
        known.map_or_else(|| self.unsupported(opcode), Ok)
    }

    /// The image's handle and the coordinates of `[a, {x, y}]`.
    fn located(&mut self, operand: Option<&Operand<'t>>, ty: &str) -> Result<(Reg, [Reg; 4]), PtxError> {
        let Some(Operand::Image(handle, coordinates)) = operand else {
            return self.fail(format!("{operand:?} where an image was expected"));
        };
        let handle = self.value_of(handle, 0)?;
        let mut rows = [ZERO; 4];
        for (row, coordinate) in rows.iter_mut().zip(coordinates) {
            *row = self.source(Some(coordinate), ty)?;
        }
        Ok((handle, rows))
    }

    fn destinations(&mut self, operand: Option<&Operand<'t>>) -> Result<[Reg; 4], PtxError> {
        let mut d = [SINK; 4];
        match operand {
            Some(Operand::Vector(parts)) => {
                for (place, part) in d.iter_mut().zip(parts) {
                    *place = self.destination(Some(part))?;
                }
            }
            other => d[0] = self.destination(other)?,
        }
        Ok(d)
    }

    fn texture(&mut self, opcode: &str, mods: &[&str], operands: &[Operand<'t>]) -> Result<(), PtxError> {
        let geometry = self.geometry(opcode, mods)?;
        let gathers = mods[0] == "tld4";
        // `tex.level.2d.v4.f32.f32`: the type of the result and that of the coordinates.
        let types = if gathers { mods.last().map(|ty| [*ty, "f32"]) } else { mods.last_chunk().copied() };
        let Some([result, coordinate]) = types else { return self.unsupported(opcode) };
        let plain = ["base", "grad"].iter().all(|word| *word == "base" || !mods.contains(word));
        if !matches!(result, "f32" | "s32" | "u32") || !matches!(coordinate, "f32" | "s32") || !plain {
            return self.unsupported(opcode);
        }
        let d = self.destinations(operands.first())?;
        let (texture, coordinates) = self.located(operands.get(1), coordinate)?;
        let level = match mods.contains(&"level") {
            true => Some(self.source(operands.get(2), coordinate)?),
            false if operands.len() > 2 => return self.unsupported(opcode),
            false => None,
        };
        let channel = mods.get(1).and_then(|letter| CHANNELS.iter().position(|channel| channel == letter));
        let gather =
            if gathers { Some(channel.map_or_else(|| self.unsupported(opcode), Ok)? as u8) } else { None };
        let whole = coordinate == "s32";
        let op = TextureOp { geometry, d, texture, coordinates, whole, level, gather };
        self.emit(Op::Texture(Box::new(op)));
        Ok(())
    }

    fn surface(&mut self, opcode: &str, mods: &[&str], operands: &[Operand<'t>]) -> Result<(), PtxError> {
        let geometry = self.geometry(opcode, mods)?;
        let ty = mods.iter().find_map(|modifier| match *modifier {
            "b8" => Some(1),
            "b16" => Some(2),
            "b32" => Some(4),
            "b64" => Some(8),
            _ => None,
        });
        let beyond = match mods.last().copied() {
            Some("trap") => Beyond::Trap,
            Some("clamp") => Beyond::Clamp,
            Some("zero") => Beyond::Zero,
            _ => return self.unsupported(opcode),
        };
        // Without the format: bytes as they are.
        let (Some(bytes), Some(&"b"), false) = (ty, mods.get(1), geometry.cube) else {
            return self.unsupported(opcode);
        };
        let count = if mods.contains(&"v4") {
            4
        } else if mods.contains(&"v2") {
            2
        } else {
            1
        };
        let loads = mods[0] == "suld";
        let (at, other) = if loads { (1, 0) } else { (0, 1) };
        let (surface, coordinates) = self.located(operands.get(at), "s32")?;
        let mut values = [ZERO; 4];
        if loads {
            values = self.destinations(operands.get(other))?;
        } else {
            match operands.get(other) {
                Some(Operand::Vector(parts)) => {
                    for (value, part) in values.iter_mut().zip(parts) {
                        *value = self.source(Some(part), "b32")?;
                    }
                }
                one => values[0] = self.source(one, "b32")?,
            }
        }
        let op = SurfaceOp { geometry, surface, coordinates, values, loads, bytes, count, beyond };
        self.emit(Op::Surface(Box::new(op)));
        Ok(())
    }

    /// `txq.width.b32 %r1, [%rd1]` and its like.
    fn image_query(&mut self, opcode: &str, mods: &[&str], operands: &[Operand<'t>]) -> Result<(), PtxError> {
        let which = match mods.get(1).copied() {
            Some("width") => ImageFact::Width,
            Some("height") => ImageFact::Height,
            Some("depth" | "array_size") => ImageFact::Depth,
            _ => return self.unsupported(opcode),
        };
        let d = self.destination(operands.first())?;
        let Some(Operand::Address(Some(handle), 0)) = operands.get(1) else {
            return self.unsupported(opcode);
        };
        let image = self.value_of(handle, 0)?;
        self.emit(Op::ImageQuery { which, of_surface: mods[0] == "suq", d, image });
        Ok(())
    }
}
