# SPDX-License-Identifier: BSD-3-Clause
"""cases_translations.py - Translations that cannot be, and questions that are not answered"""

import os
from functools import partial

import front
from case import Case
from front import BOTH, INVALIDATE, IOTLB, READ, UPDATE, WRITE, Front, table
from outcome import expect
from session import BUF_IOVA, REGION, RING_IOVA, USER, Session

TOP = 1 << 64
NOWHERE = 0xdead0000
REFUSED = (("guest bad", "refused", None), ("guest bad", "bad_iotlb", None))


def refused(stage, messages):
    """Have translations refused; those that were there stay."""
    with Session(stage.bad) as s:
        for kind, *rest in messages:
            expect(s.iotlb(kind, *rest), f"{kind} {rest} was accepted")
        s.tx.good(0)
        s.tx.show()
        s.tx.used(1)
    return "error reply; the ring runs on"


def ended(stage):
    """Send one that is refused without asking for an acknowledgement."""
    with Session(stage.bad) as s:
        s.send(front.IOTLB_MSG, IOTLB.pack(0, 4096, 1, BOTH, UPDATE))
        s.ended()
    return "closes the connection"


def too_early(stage):
    """Translate before there is memory, and without a vIOMMU."""
    with Front(stage.bad) as peer:
        expect(peer.iotlb(UPDATE, 0, 4096, USER[0], BOTH), "it was accepted")
    with Session(stage.bad, viommu=False) as s:
        expect(s.iotlb(UPDATE, RING_IOVA, 4096, USER[0], BOTH), "it was accepted")
        expect(s.iotlb(INVALIDATE, 0, 0), "it was accepted")
    return "error reply"


def beyond_bound(stage):
    """Map more pages than the IOTLB may hold, of which no two are one entry."""
    fd = os.memfd_create("large")
    os.ftruncate(fd, 9 << 30)
    with Session(stage.bad) as s:
        s.do(front.SET_MEM_TABLE, table((0, 8 << 30, USER[0], 0)), [fd])
        os.close(fd)
        expect(s.iotlb(UPDATE, 1, (8 << 30) - 1, USER[0], BOTH), "it was accepted")
        # As much as one may have at once, and more than all may have
        for i in range(20):
            s.iotlb(UPDATE, i << 32 | 1, (256 << 20) - 4096, USER[0], BOTH)
        s.alive()
    return "refuses what is more than the bound, evicts otherwise"


def crumbs(stage):
    """Map each byte of some pages by itself, and every second one anew elsewhere."""
    with Session(stage.bad) as s:
        for i in range(2000):
            s.iotlb(UPDATE, NOWHERE + i, 1, USER[1] + 7 * i % REGION, BOTH)
        for i in range(0, 2000, 2):
            s.iotlb(UPDATE, NOWHERE + i, 1, USER[0] + i, READ)
            s.iotlb(INVALIDATE, NOWHERE + i + 1, 1)
        s.tx.good(0)
        s.tx.show()
        s.tx.used(1)
    return "keeps them"


def never_answered(stage, write=False, viommu=True):
    """Have a descriptor at an address that nothing translates."""
    before = stage.totals()
    with Session(stage.bad, viommu=viommu) as s:
        ring = s.rx if write else s.tx
        ring.put(0, NOWHERE if viommu else 1 << 40, 200, ring.dir)
        ring.bad()
        ring.show()
        if write:
            s.tx.good(0)
            s.tx.show()
        if viommu:
            iova, access = s.miss()
            expect((iova, access) == (NOWHERE, WRITE if write else READ),
                   f"asked for {iova:#x}, access {access}")
            stage.wait_counter("guest bad", "faults", 1, before)
        else:
            stage.wait_counter("guest bad", "outside", 1, before)
        s.alive()
    return "asks, gives up, logged; the ring waits" if viommu else "logged; the ring waits"


def wrong_access(stage):
    """Map a receive buffer for reading only."""
    before = stage.totals()
    with Session(stage.bad) as s:
        s.iotlb(INVALIDATE, BUF_IOVA, REGION)
        s.iotlb(UPDATE, BUF_IOVA, REGION, USER[1], READ)
        s.rx.good(0)
        s.rx.show()
        s.tx.good(0)
        s.tx.show()
        s.tx.used(1)
        iova, access = s.miss()
        expect(iova >> 12 == BUF_IOVA >> 12 and access == WRITE, f"asked for {iova:#x}, {access}")
        stage.wait_counter("guest bad", "faults", 1, before)
        expect(not s.rx.n_used(), "the buffer was used")
    return "never writes there: asks for write access, gives up"


def partly_mapped(stage):
    """Have a buffer begin in memory and end where nothing is mapped."""
    before = stage.totals()
    with Session(stage.bad) as s:
        s.tx.put(0, BUF_IOVA + REGION - 50, 200, 0)
        s.tx.bad()
        s.tx.show()
        iova, _ = s.miss()
        expect(iova == BUF_IOVA + REGION, f"asked for {iova:#x}")
        stage.wait_counter("guest bad", "faults", 1, before)
        expect(not s.tx.n_used(), "the buffer was used")
    return "sends none of it: asks, gives up"


def wrong_answers(stage):
    """Answer questions with translations of something else."""
    with Session(stage.bad) as s:
        s.tx.put(0, NOWHERE, 200, 0)
        s.tx.bad()
        s.tx.show()
        for i in range(5):
            iova, _ = s.miss()
            s.iotlb(UPDATE, iova + 4096 * (i + 1), 4096, USER[1], BOTH)
            s.iotlb(UPDATE, iova, 4096, USER[1], WRITE)
            if i == 1:
                break
        s.iotlb(UPDATE, NOWHERE & ~4095, 4096, USER[1], BOTH)
        s.tx.used(1)
    return "asks again; takes the right one"


def unmapped_rings(stage, packed):
    """Take the rings' and buffers' pages away under traffic, and give them back."""
    with Session(stage.bad, packed=packed) as s:
        for i in range(100):
            if i < 32:
                s.rx.good(i)
                s.rx.show()
            s.tx.good(i % 32)
            s.tx.show()
            if i % 3 == 0:
                s.iotlb(INVALIDATE, RING_IOVA, REGION)
            elif i % 3 == 1:
                s.iotlb(INVALIDATE, BUF_IOVA, REGION)
            else:
                s.iotlb(INVALIDATE, 0, 0)
            s.alive()
            s.map()
            s.tx.used(1)
    return "asks for them, carries every frame once they are back"


def unmapped_for_good(stage, packed):
    """Take the rings' pages away under traffic, and leave."""
    for _ in range(10):
        with Session(stage.bad, packed=packed) as s:
            for i in range(8):
                s.tx.good(i)
            s.tx.show()
            s.do(front.IOTLB_MSG, IOTLB.pack(RING_IOVA, REGION, 0, 0, INVALIDATE))
    return "touches them no more; forgets its questions"


def cases():
    """Yield all of them."""

    def bad(name, done, *messages):
        return Case(name, done, partial(refused, messages=messages), REFUSED)

    user = USER[0]
    yield bad("update outside the memory table", "addresses of no region",
              (UPDATE, 0, 4096, 1, BOTH), (UPDATE, 0, 4096, user - 4096, BOTH),
              (UPDATE, 0, 4096, user + REGION, BOTH), (UPDATE, 0, 4096, TOP - 4096, BOTH))
    yield bad("update partly outside", "the last byte is of no region",
              (UPDATE, 0, 4097, user + REGION - 4096, BOTH), (UPDATE, 0, 4096, user - 1, BOTH),
              (UPDATE, 0, TOP - 1, user, BOTH), (UPDATE, 0, USER[1] - user + 4096, user, BOTH))
    yield bad("update that wraps", "address + size over 2^64",
              (UPDATE, TOP - 4096, 8192, user, BOTH), (UPDATE, TOP - 1, 2, user, BOTH))
    yield bad("update whose memory wraps", "front-end's address + size over 2^64",
              (UPDATE, 0, TOP - user + 4096, user, BOTH), (UPDATE, 0, TOP - 1, TOP - 1, BOTH))
    yield bad("update of nothing", "size 0", (UPDATE, 0, 0, user, BOTH))
    yield bad("update without access", "access 0, 4, 255",
              *((UPDATE, 0, 4096, user, access) for access in (0, 4, 7, 255)))
    yield bad("invalidation that wraps", "address + size over 2^64",
              (INVALIDATE, TOP - 4096, 8192), (INVALIDATE, 2, TOP - 1))
    yield bad("invalidation of nothing", "size 0, not from 0", (INVALIDATE, 4096, 0))
    yield bad("messages of another kind", "miss, access fail, batches, unknown types",
              *((kind, 0, 4096, user, BOTH) for kind in (0, 1, 4, 5, 6, 254, 255)))
    yield Case("refused without a word", "an update outside, no acknowledgement asked for", ended,
               REFUSED)
    yield Case("before memory, without a vIOMMU", "translations that nobody agreed on", too_early,
               REFUSED[:1])
    yield Case("more than the IOTLB holds", "8 GiB a byte off the page", beyond_bound, REFUSED)
    yield Case("crumbs", "2000 mappings of one byte each", crumbs)
    yield Case("address outside, sending", "a descriptor at an address nobody translates",
               never_answered, (("guest bad", "faults", None), ("guest bad ring 1", "misses", None)))
    yield Case("address outside, receiving", "a descriptor at an address nobody translates",
               partial(never_answered, write=True),
               (("guest bad", "faults", None), ("guest bad ring 0", "misses", None)))
    yield Case("address outside, without a vIOMMU", "a descriptor outside the memory table",
               partial(never_answered, viommu=False), (("guest bad", "outside", None),))
    yield Case("buffer for reading only", "a receive buffer mapped without write access",
               wrong_access, (("guest bad", "faults", None),))
    yield Case("buffer partly outside", "a buffer over the end of what is mapped", partly_mapped,
               (("guest bad", "faults", None),))
    yield Case("wrong answers", "translations of other pages, and without the access asked for",
               wrong_answers, (("guest bad", "asked_again", None),))
    for packed in (False, True):
        layout = "packed" if packed else "split"
        yield Case(f"rings unmapped under traffic, {layout}",
                   "invalidations of rings and buffers that are in use",
                   partial(unmapped_rings, packed=packed), (("guest bad ring 1", "misses", None),))
        yield Case(f"rings unmapped for good, {layout}", "and the front-end leaves",
                   partial(unmapped_for_good, packed=packed))
