//! Checked messages that the space has no room for yet, in order. While there are any nothing is read, so they are
//! what one WebSocket message held; an idle connection keeps no buffer.

use super::Over;
use std::collections::VecDeque;

/// The queue.
pub(super) struct Waiting<T>(VecDeque<T>);

impl<T> Default for Waiting<T> {
    fn default() -> Self {
        Self(VecDeque::new())
    }
}

impl<T> Waiting<T> {
    /// Appends a message.
    pub fn push(&mut self, message: T) {
        self.0.push_back(message);
    }

    /// True when there is none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The one whose turn it is.
    pub fn front(&self) -> Option<&T> {
        self.0.front()
    }

    /// Hands on while `take` takes; it gives a message back for want of room, and nothing when the space has ended.
    pub fn hand_on(&mut self, take: impl Fn(T) -> Result<(), Option<T>>) -> Result<(), Over> {
        while let Some(message) = self.0.pop_front() {
            match take(message) {
                Ok(()) => {}
                Err(Some(message)) => {
                    self.0.push_front(message);
                    return Ok(());
                }
                Err(None) => return Err(Over),
            }
        }
        self.0 = VecDeque::new();
        Ok(())
    }

    /// What is left when the connection ends.
    pub fn take(&mut self) -> VecDeque<T> {
        std::mem::take(&mut self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::cell::RefCell;

    #[test]
    fn what_finds_no_room_keeps_its_place() {
        let mut waiting = Waiting::default();
        (1..=3).for_each(|n| waiting.push(n));
        let (taken, room) = (RefCell::new(Vec::new()), RefCell::new(1));
        let take = |n: i32| {
            if *room.borrow() == 0 {
                return Err(Some(n));
            }
            *room.borrow_mut() -= 1;
            taken.borrow_mut().push(n);
            Ok(())
        };
        assert!(waiting.hand_on(take).is_ok());
        assert_eq!((waiting.front(), waiting.is_empty()), (Some(&2), false));
        *room.borrow_mut() = 9;
        assert!(waiting.hand_on(take).is_ok());
        assert_eq!((taken.into_inner(), waiting.is_empty()), (vec![1, 2, 3], true));
        waiting.push(4);
        assert!(waiting.hand_on(|_| Err(None)).is_err(), "the space has ended");
    }
}
