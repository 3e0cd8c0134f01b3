//! Cuts what a server sends into frames; must not know what is in them.

/// How much of a message is kept unless more is asked for: enough to read a stamp.
pub const KEEP_BYTES: usize = 1 << 10;

/// A frame whose last byte has come.
pub struct Frame<'a> {
    /// Its opcode.
    pub op: u8,
    /// The first bytes of its payload, or all of them.
    pub head: &'a [u8],
    /// Length of the whole payload.
    pub len: usize,
}

/// A frame that is too long to keep.
struct Long {
    op: u8,
    head: Vec<u8>,
    len: usize,
    left: usize,
}

/// Cuts what a server sends into frames.
pub struct Frames {
    keep: usize,
    partial: Vec<u8>,
    long: Option<Long>,
}

impl Frames {
    /// Keeps at most `keep` bytes of a payload.
    pub fn new(keep: usize) -> Self {
        Self {
            keep,
            partial: Vec::new(),
            long: None,
        }
    }

    /// Takes in bytes; calls `each` for every frame they complete.
    pub fn feed(&mut self, bytes: &[u8], mut each: impl FnMut(Frame<'_>)) {
        if self.partial.is_empty() {
            let used = self.frames(bytes, &mut each);
            self.partial.extend_from_slice(&bytes[used..]);
            return;
        }
        let mut joined = std::mem::take(&mut self.partial);
        joined.extend_from_slice(bytes);
        let used = self.frames(&joined, &mut each);
        joined.drain(..used);
        self.partial = joined;
    }

    fn frames(&mut self, bytes: &[u8], each: &mut impl FnMut(Frame<'_>)) -> usize {
        let mut used = 0;
        loop {
            let rest = &bytes[used..];
            if let Some(mut long) = self.long.take() {
                let taken = long.left.min(rest.len());
                used += taken;
                long.left -= taken;
                let missing = self.keep.saturating_sub(long.head.len());
                long.head.extend_from_slice(&rest[..taken.min(missing)]);
                if long.left > 0 {
                    self.long = Some(long);
                    return used;
                }
                let Long { op, head, len, .. } = &long;
                each(Frame {
                    op: *op,
                    head,
                    len: *len,
                });
                continue;
            }
            let Some((op, start, len)) = header(rest) else {
                return used;
            };
            match rest.get(start..start + len) {
                Some(payload) => {
                    used += start + len;
                    each(Frame {
                        op,
                        head: payload,
                        len,
                    });
                }
                None if len > KEEP_BYTES => {
                    used += start;
                    let head = Vec::with_capacity(len.min(self.keep));
                    self.long = Some(Long {
                        op,
                        head,
                        len,
                        left: len,
                    });
                }
                None => return used,
            }
        }
    }
}

/// Opcode, where the payload begins, and its length; servers do not mask.
fn header(bytes: &[u8]) -> Option<(u8, usize, usize)> {
    let (first, second) = (*bytes.first()?, *bytes.get(1)?);
    let rest = &bytes[2..];
    let (start, len) = match second & 0x7F {
        126 => (4, u16::from_be_bytes(*rest.first_chunk()?) as usize),
        127 => (10, u64::from_be_bytes(*rest.first_chunk()?) as usize),
        len => (2, len as usize),
    };
    Some((first & 0x0F, start, len))
}

#[cfg(test)]
mod tests {
    use super::*;
    use thexr::wire;

    #[test]
    fn frames_are_found_however_the_bytes_come() {
        let sizes = [0, 5, 125, 126, 1_024, 1_025, 70_000, 3];
        let stream: Vec<u8> = sizes
            .iter()
            .flat_map(|len| wire::message(&vec![*len as u8; *len]).to_vec())
            .collect();
        for step in [1, 7, 1_000, stream.len()] {
            for keep in [16, usize::MAX] {
                let mut frames = Frames::new(keep);
                let mut found = Vec::new();
                for part in stream.chunks(step) {
                    frames.feed(part, |f| {
                        assert!(f.head.len() >= f.len.min(keep.min(KEEP_BYTES)));
                        assert!(f.head.iter().all(|b| *b == f.len as u8));
                        found.push(f.len);
                    });
                }
                assert_eq!(found, sizes, "step {step} keep {keep}");
            }
        }
    }
}
