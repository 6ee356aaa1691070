//! Images as kernels read and write them: where a texel lies, what its bits mean, and what is read between texels and beyond the edge.
//! Whose memory it is, the driver says.
#![allow(unsafe_code)] // reads texels at addresses that the driver called live.

/// An array or a level of one, or memory that is read like one. Rows and slices lie a fixed number of bytes apart.
#[derive(Debug, Clone, Copy)]
pub struct Image {
    pub start: u64,
    pub width: u64,
    pub height: u64,
    /// The depth, or the layers.
    pub depth: u64,
    pub pitch: u64,
    pub format: Format,
    pub channels: u8,
}

/// `CUarray_format`, of those that are plain numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    U8,
    U16,
    U32,
    S8,
    S16,
    S32,
    F16,
    F32,
}

/// `CUaddress_mode`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Edge {
    Wrap,
    Clamp,
    Mirror,
    Border,
}

/// How a texture object reads.
#[derive(Debug, Clone)]
pub struct Sampler {
    pub edges: [Edge; 3],
    pub linear: bool,
    pub mipmap_linear: bool,
    pub normalized: bool,
    /// Integers are read as such, not as fractions of their largest.
    pub as_integer: bool,
    pub level_bias: f32,
    pub level_min: f32,
    pub level_max: f32,
    pub border: [f32; 4],
}

/// Which coordinates an instruction gives.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Geometry {
    pub dimensions: u8,
    pub layered: bool,
    pub cube: bool,
}

/// A texel as registers hold it: bits of floats or integers.
pub type Texel = [u32; 4];

/// What a texture object names: levels, the largest first.
pub trait Texture: Send + Sync {
    fn levels(&self) -> &[Image];
    fn sampler(&self) -> &Sampler;
    /// Memory that must be live at each use; `None` where the object itself keeps it.
    fn memory(&self) -> Option<(u64, u64)>;
}

/// What a surface object names.
pub trait Surface: Send + Sync {
    fn image(&self) -> &Image;
}

impl Format {
    pub fn of(number: u32) -> Option<Format> {
        Some(match number {
            0x01 => Format::U8,
            0x02 => Format::U16,
            0x03 => Format::U32,
            0x08 => Format::S8,
            0x09 => Format::S16,
            0x0a => Format::S32,
            0x10 => Format::F16,
            0x20 => Format::F32,
            _ => return None,
        })
    }

    pub fn bytes(self) -> u64 {
        match self {
            Format::U8 | Format::S8 => 1,
            Format::U16 | Format::S16 | Format::F16 => 2,
            Format::U32 | Format::S32 | Format::F32 => 4,
        }
    }

    fn is_float(self) -> bool {
        matches!(self, Format::F16 | Format::F32)
    }

    /// One channel's bits as a register holds it: a float for floats, the whole number for integers.
    fn register(self, bits: u32) -> u32 {
        match self {
            Format::S8 => bits as u8 as i8 as i32 as u32,
            Format::S16 => bits as u16 as i16 as i32 as u32,
            Format::F16 => half::f16::from_bits(bits as u16).to_f32().to_bits(),
            _ => bits,
        }
    }

    /// Integers of 8 and 16 bits as fractions of their largest.
    fn fraction(self, register: u32) -> f32 {
        let signed = register as i32 as f32;
        match self {
            Format::U8 => register as f32 / 255.0,
            Format::U16 => register as f32 / 65535.0,
            Format::S8 => (signed / 127.0).max(-1.0),
            Format::S16 => (signed / 32767.0).max(-1.0),
            Format::U32 | Format::S32 | Format::F16 | Format::F32 => f32::from_bits(register),
        }
    }
}

impl Image {
    pub fn element_bytes(&self) -> u64 {
        self.format.bytes() * u64::from(self.channels)
    }

    /// Where a texel lies, which is inside.
    pub fn at(&self, [x, y, z]: [u64; 3]) -> u64 {
        self.row(y, z) + x * self.element_bytes()
    }

    pub fn row(&self, y: u64, z: u64) -> u64 {
        self.start + (z * self.height + y) * self.pitch
    }

    /// The channels that there are, and of the others 0 or, of the last, 1.
    fn texel(&self, at: [u64; 3], sampler: &Sampler) -> Texel {
        let fractions = !sampler.as_integer && !matches!(self.format, Format::U32 | Format::S32);
        let one = if fractions || self.format.is_float() { 1f32.to_bits() } else { 1 };
        let mut texel = [0, 0, 0, one];
        let (address, bytes) = (self.at(at), self.format.bytes());
        for (channel, value) in texel.iter_mut().enumerate().take(self.channels.into()) {
            let register = self.format.register(load(address + channel as u64 * bytes, bytes));
            *value = if fractions { self.format.fraction(register).to_bits() } else { register };
        }
        texel
    }

    fn extent(&self, axis: usize) -> u64 {
        [self.width, self.height, self.depth][axis]
    }
}

/// Reads one channel. Other threads may write it meanwhile: what is read then is one of both.
fn load(address: u64, bytes: u64) -> u32 {
    let at = address as *const u8;
    // SAFETY: the caller has seen that the texel lies in memory that is live; channels are as aligned as their rows.
    unsafe {
        match bytes {
            1 => u32::from(at.read_volatile()),
            2 => u32::from(at.cast::<u16>().read_unaligned()),
            _ => at.cast::<u32>().read_unaligned(),
        }
    }
}

/// A coordinate as the texel that it means; `None` beyond an edge where the border's colour is.
fn inside(edge: Edge, at: i64, extent: u64) -> Option<u64> {
    let last = extent as i64 - 1;
    match edge {
        Edge::Clamp => Some(at.clamp(0, last) as u64),
        Edge::Wrap => Some(at.rem_euclid(extent as i64) as u64),
        Edge::Mirror => {
            let turned = at.rem_euclid(2 * extent as i64);
            Some(if turned > last { 2 * extent as i64 - 1 - turned } else { turned } as u64)
        }
        Edge::Border => (0..=last).contains(&at).then_some(at as u64),
    }
}

impl Sampler {
    /// Wrapping and mirroring are known to normalised coordinates only.
    fn edge(&self, axis: usize) -> Edge {
        match self.edges[axis] {
            Edge::Wrap | Edge::Mirror if !self.normalized => Edge::Clamp,
            edge => edge,
        }
    }

    fn border(&self, image: &Image) -> Texel {
        let integers = self.as_integer || matches!(image.format, Format::U32 | Format::S32);
        self.border.map(|value| match (integers && !image.format.is_float(), image.format) {
            (true, Format::U8 | Format::U16 | Format::U32) => value as u32,
            (true, _) => value as i32 as u32,
            (false, _) => value.to_bits(),
        })
    }

    fn read(&self, image: &Image, at: [i64; 3], geometry: Geometry) -> Texel {
        let mut place = [0; 3];
        for (axis, place) in place.iter_mut().enumerate() {
            let sliced = axis == 2 && (geometry.layered || geometry.cube);
            if !sliced && axis >= geometry.dimensions.into() {
                continue;
            }
            // Layers and faces are counted, never interpolated.
            let edge = if sliced { Edge::Clamp } else { self.edge(axis) };
            match inside(edge, at[axis], image.extent(axis)) {
                Some(inside) => *place = inside,
                None => return self.border(image),
            }
        }
        image.texel(place, self)
    }

    /// By texel numbers, without any filter.
    pub fn fetch(&self, image: &Image, at: [i64; 3], geometry: Geometry) -> Texel {
        let beyond =
            (0..geometry.dimensions.into()).any(|axis| at[axis] < 0 || at[axis] as u64 >= image.extent(axis));
        // What lies beyond linear memory is zero.
        if beyond && geometry.dimensions == 1 { [0; 4] } else { self.read(image, at, geometry) }
    }

    /// A coordinate in texels.
    fn scaled(&self, image: &Image, coordinate: f32, axis: usize) -> f32 {
        if self.normalized { coordinate * image.extent(axis) as f32 } else { coordinate }
    }

    pub fn sample(&self, image: &Image, coordinates: [f32; 3], slice: i64, geometry: Geometry) -> Texel {
        let dimensions = usize::from(geometry.dimensions);
        let sliced = geometry.layered || geometry.cube;
        let mut base = [0i64, 0, if sliced { slice } else { 0 }];
        let mut weights = [0f32; 3];
        for axis in 0..dimensions {
            let at = self.scaled(image, coordinates[axis], axis) - if self.linear { 0.5 } else { 0.0 };
            base[axis] = whole(at.floor());
            // The hardware interpolates with eight bits of fraction.
            weights[axis] = ((at - at.floor()) * 256.0).round() / 256.0;
        }
        if !self.linear {
            return self.read(image, base, geometry);
        }
        let mut sum = [0f32; 4];
        for corner in 0..1usize << dimensions {
            let (mut at, mut weight) = (base, 1f32);
            for axis in 0..dimensions {
                let upper = corner >> axis & 1;
                at[axis] = at[axis].saturating_add(upper as i64);
                weight *= if upper == 1 { weights[axis] } else { 1.0 - weights[axis] };
            }
            if weight != 0.0 {
                let texel = self.read(image, at, geometry);
                sum.iter_mut().zip(texel).for_each(|(sum, bits)| *sum += weight * f32::from_bits(bits));
            }
        }
        sum.map(f32::to_bits)
    }

    /// One channel of the four texels around a place, as gathering orders them.
    pub fn gather(
        &self,
        image: &Image,
        [x, y]: [f32; 2],
        slice: i64,
        channel: usize,
        geometry: Geometry,
    ) -> Texel {
        let left = whole((self.scaled(image, x, 0) - 0.5).floor());
        let upper = whole((self.scaled(image, y, 1) - 0.5).floor());
        let (right, lower) = (left.saturating_add(1), upper.saturating_add(1));
        [(left, lower), (right, lower), (right, upper), (left, upper)]
            .map(|(x, y)| self.read(image, [x, y, slice], geometry)[channel])
    }

    /// The levels that a level of detail means, and how much the second counts.
    pub fn levels(&self, detail: f32, count: usize) -> (usize, usize, f32) {
        let last = (count - 1) as f32;
        let level = (detail + self.level_bias).clamp(self.level_min, self.level_max.max(self.level_min));
        let level = level.clamp(0.0, last);
        if !self.mipmap_linear {
            let nearest = (level + 0.5).floor().min(last) as usize;
            return (nearest, nearest, 0.0);
        }
        let below = level.floor();
        (below as usize, (below + 1.0).min(last) as usize, ((level - below) * 256.0).round() / 256.0)
    }
}

/// Beyond every image is beyond every image, however far.
fn whole(at: f32) -> i64 {
    const FAR: f32 = 1e9;
    if at.is_nan() { 0 } else { at.clamp(-FAR, FAR) as i64 }
}

pub fn blend(first: Texel, second: Texel, weight: f32) -> Texel {
    std::array::from_fn(|channel| {
        let [first, second] = [first, second].map(|texel| f32::from_bits(texel[channel]));
        (first + (second - first) * weight).to_bits()
    })
}

/// The face of a cube that a direction meets, and where on it, from 0 to 1.
pub fn face([x, y, z]: [f32; 3]) -> (i64, [f32; 2]) {
    let (ax, ay, az) = (x.abs(), y.abs(), z.abs());
    let (face, major, s, t) = if ax >= ay && ax >= az {
        if x >= 0.0 { (0, ax, -z, -y) } else { (1, ax, z, -y) }
    } else if ay >= az {
        if y >= 0.0 { (2, ay, x, z) } else { (3, ay, x, -z) }
    } else if z >= 0.0 {
        (4, az, x, -y)
    } else {
        (5, az, -x, -y)
    };
    let on_face = |at: f32| if major == 0.0 { 0.5 } else { (at / major + 1.0) / 2.0 };
    (face, [on_face(s), on_face(t)])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sampler(edge: Edge, linear: bool, normalized: bool) -> Sampler {
        Sampler {
            edges: [edge; 3],
            linear,
            mipmap_linear: false,
            normalized,
            as_integer: false,
            level_bias: 0.0,
            level_min: 0.0,
            level_max: 99.0,
            border: [0.0; 4],
        }
    }

    fn image(values: &[f32], width: u64) -> Image {
        let height = values.len() as u64 / width;
        let start = values.as_ptr().expose_provenance() as u64;
        Image { start, width, height, depth: 1, pitch: width * 4, format: Format::F32, channels: 1 }
    }

    const FLAT: Geometry = Geometry { dimensions: 2, layered: false, cube: false };

    fn at(sampler: &Sampler, image: &Image, x: f32, y: f32) -> f32 {
        f32::from_bits(sampler.sample(image, [x, y, 0.0], 0, FLAT)[0])
    }

    #[test]
    fn the_nearest_texel_is_the_one_that_the_place_lies_in() {
        let values = [0.0, 1.0, 2.0, 10.0, 11.0, 12.0];
        let (image, sampler) = (image(&values, 3), sampler(Edge::Clamp, false, false));
        assert_eq!(at(&sampler, &image, 1.99, 1.0), 11.0);
        assert_eq!(at(&sampler, &image, -5.0, 99.0), 10.0);
        assert_eq!(at(&sampler, &image, f32::NAN, 0.0), 0.0);
    }

    #[test]
    fn between_texels_is_what_lies_between() {
        let values = [0.0, 1.0, 2.0, 10.0, 11.0, 12.0];
        let (image, sampler) = (image(&values, 3), sampler(Edge::Clamp, true, false));
        assert_eq!(at(&sampler, &image, 1.0, 0.5), 0.5);
        assert_eq!(at(&sampler, &image, 1.0, 1.0), 5.5);
        assert_eq!(at(&sampler, &image, 0.0, 0.0), 0.0);
    }

    #[test]
    fn beyond_the_edge_is_what_the_mode_says() {
        let values = [1.0, 2.0, 3.0, 4.0];
        let image = image(&values, 4);
        let read = |edge, x: f32| at(&sampler(edge, false, true), &image, x, 0.0);
        assert_eq!([read(Edge::Wrap, 1.1), read(Edge::Wrap, -0.1)], [1.0, 4.0]);
        assert_eq!([read(Edge::Mirror, 1.1), read(Edge::Mirror, -0.1)], [4.0, 1.0]);
        assert_eq!([read(Edge::Border, 1.1), read(Edge::Border, 0.9)], [0.0, 4.0]);
        assert_eq!([read(Edge::Clamp, 1.1), read(Edge::Clamp, -0.1)], [4.0, 1.0]);
    }

    #[test]
    fn each_direction_meets_its_face() {
        let faces = [
            [1.0, 0.0, 0.0],
            [-1.0, 0.0, 0.0],
            [0.0, 1.0, 0.0],
            [0.0, -1.0, 0.0],
            [0.0, 0.0, 1.0],
            [0.0, 0.0, -1.0],
        ];
        assert_eq!(faces.map(|direction| face(direction).0), [0, 1, 2, 3, 4, 5]);
        assert_eq!(face([2.0, 0.0, 0.0]).1, [0.5, 0.5]);
    }
}
