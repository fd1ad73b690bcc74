//! What waits to be written, in the order in which it became dirty, by write group.

use std::collections::{BTreeSet, VecDeque};

use crate::levels::SkuId;

/// A place in the order of waiting; smaller ones came first. 0 means "does not wait".
pub(super) type Turn = u64;
/// The number of a write group within its lane.
pub(super) type GroupId = u32;

/// Articles that wait, one line per write group. A request takes from one group only, so the group
/// whose first article waits longest goes first.
///
/// An article that leaves the line early, or changes its group, is not searched for: its entry
/// stays and is passed over, because the article's own turn is another one then.
#[derive(Debug, Default)]
pub(super) struct DirtyQueue {
    lines: Vec<VecDeque<(Turn, SkuId)>>,
    heads: BTreeSet<(Turn, GroupId)>,
    last_turn: Turn,
}

impl DirtyQueue {
    /// Puts an article at the end of its group's line.
    pub(super) fn push(&mut self, group: GroupId, sku: SkuId) -> Turn {
        self.last_turn += 1;
        let turn = self.last_turn;
        if let Some(line) = self.line(group) {
            line.push_back((turn, sku));
            if line.len() == 1 {
                self.heads.insert((turn, group));
            }
        }
        turn
    }

    /// Puts an article back to the front, with the turn that it had.
    pub(super) fn push_front(&mut self, group: GroupId, turn: Turn, sku: SkuId) {
        let Some(line) = self.line(group) else { return };
        let head = line.front().map(|(turn, _)| (*turn, group));
        line.push_front((turn, sku));
        if let Some(head) = head {
            self.heads.remove(&head);
        }
        self.heads.insert((turn, group));
    }

    /// The group whose first entry is the oldest.
    pub(super) fn oldest(&self) -> Option<GroupId> {
        self.heads.first().map(|(_, group)| *group)
    }

    /// Takes the first entry of a group's line.
    pub(super) fn pop(&mut self, group: GroupId) -> Option<(Turn, SkuId)> {
        let line = self.line(group)?;
        let (turn, sku) = line.pop_front()?;
        let next = line.front().map(|(turn, _)| *turn);
        if next.is_none() {
            // A line that was once long must not hold its memory.
            line.shrink_to(16);
        }
        self.heads.remove(&(turn, group));
        if let Some(next) = next {
            self.heads.insert((next, group));
        }
        Some((turn, sku))
    }

    /// All entries, those included that are passed over.
    pub(super) fn entries(&self) -> impl Iterator<Item = (Turn, SkuId)> {
        self.lines.iter().flatten().copied()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.heads.is_empty()
    }

    fn line(&mut self, group: GroupId) -> Option<&mut VecDeque<(Turn, SkuId)>> {
        let index = usize::try_from(group).ok()?;
        if self.lines.len() <= index {
            self.lines.resize_with(index + 1, VecDeque::new);
        }
        self.lines.get_mut(index)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_group_whose_head_waits_longest_goes_first() {
        let mut queue = DirtyQueue::default();
        queue.push(1, 10);
        queue.push(0, 20);
        queue.push(1, 11);
        assert_eq!(queue.oldest(), Some(1));
        assert_eq!(queue.pop(1), Some((1, 10)));
        assert_eq!(queue.oldest(), Some(0));
        assert_eq!(queue.pop(0), Some((2, 20)));
        assert_eq!(queue.oldest(), Some(1));
        assert_eq!(queue.pop(1), Some((3, 11)));
        assert!(queue.is_empty());
        assert_eq!(queue.pop(1), None);
    }

    #[test]
    fn what_is_put_back_is_first_again() {
        let mut queue = DirtyQueue::default();
        let turn = queue.push(0, 10);
        queue.push(1, 20);
        queue.push(0, 11);
        queue.pop(0);
        queue.push_front(0, turn, 10);
        assert_eq!(queue.oldest(), Some(0));
        assert_eq!(queue.pop(0), Some((turn, 10)));
        assert_eq!(queue.oldest(), Some(1));
    }
}
