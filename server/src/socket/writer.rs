//! Frames to the peer: a queue of shared bytes, written with one vectored call as far as the peer takes them.

use crate::limits;
use bytes::{Buf, Bytes};
use std::collections::VecDeque;
use std::io::{self, IoSlice};
use tokio::net::TcpStream;

/// What is to be written.
#[derive(Default)]
pub(super) struct Writer {
    queue: VecDeque<Bytes>,
    /// True when the front has been written in part.
    cut: bool,
}

impl Writer {
    /// Appends a frame.
    pub fn push(&mut self, frame: Bytes) {
        if !frame.is_empty() {
            self.queue.push_back(frame);
        }
    }

    /// Appends frames.
    pub fn extend(&mut self, frames: VecDeque<Bytes>) {
        if self.queue.is_empty() {
            self.queue = frames;
        } else {
            self.queue.extend(frames);
        }
    }

    /// Pieces that wait.
    pub fn len(&self) -> usize {
        self.queue.len()
    }

    /// True when everything is written.
    pub fn is_empty(&self) -> bool {
        self.queue.is_empty()
    }

    /// Writes until the peer takes no more; gives the bytes it took.
    pub fn write(&mut self, stream: &TcpStream) -> io::Result<usize> {
        let mut total = 0;
        while !self.queue.is_empty() {
            let written = match self.queue.make_contiguous() {
                // The common case, a tick: the plain call costs the kernel less.
                [one] => stream.try_write(one),
                many => write_many(stream, many),
            };
            match written {
                Ok(written) => {
                    total += written;
                    self.advance(written);
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                Err(error) => return Err(error),
            }
        }
        if self.queue.is_empty() && self.queue.capacity() > 0 {
            self.queue = VecDeque::new();
        }
        Ok(total)
    }

    fn advance(&mut self, mut written: usize) {
        while let Some(front) = self.queue.front_mut() {
            if written < front.len() {
                front.advance(written);
                self.cut |= written > 0;
                return;
            }
            written -= front.len();
            self.queue.pop_front();
            self.cut = false;
        }
    }

    /// Forgets what has not been begun, so that a close frame can follow at a frame's border.
    pub fn drop_whole_frames(&mut self) {
        self.queue.truncate(usize::from(self.cut));
    }

    /// Writes everything.
    pub async fn flush(&mut self, stream: &TcpStream) -> io::Result<()> {
        while !self.is_empty() {
            stream.writable().await?;
            self.write(stream)?;
        }
        Ok(())
    }
}

fn write_many(stream: &TcpStream, pieces: &[Bytes]) -> io::Result<usize> {
    let mut slices = [IoSlice::new(&[]); limits::PIECES_MAX];
    let n = pieces.len().min(slices.len());
    for (slice, piece) in slices.iter_mut().zip(pieces) {
        *slice = IoSlice::new(piece);
    }
    stream.try_write_vectored(&slices[..n])
}
