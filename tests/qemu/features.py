# SPDX-License-Identifier: BSD-3-Clause
"""features.py - What a driver has to negotiate with vunetd, and what it must not

Linux drives whatever it is offered, and QEMU offers what both it and vunetd
know.  So the bits are known beforehand, and one that is missing is one that
vunetd, or QEMU on its behalf, has quietly lost: everything would still work.
"""

# Virtio 1.2, 5.1.3 and 6
BITS = {
    "VIRTIO_NET_F_CSUM": 0,
    "VIRTIO_NET_F_GUEST_CSUM": 1,
    "VIRTIO_NET_F_MTU": 3,
    "VIRTIO_NET_F_GUEST_TSO4": 7,
    "VIRTIO_NET_F_GUEST_TSO6": 8,
    "VIRTIO_NET_F_GUEST_ECN": 9,
    "VIRTIO_NET_F_GUEST_UFO": 10,
    "VIRTIO_NET_F_HOST_TSO4": 11,
    "VIRTIO_NET_F_HOST_TSO6": 12,
    "VIRTIO_NET_F_HOST_ECN": 13,
    "VIRTIO_NET_F_HOST_UFO": 14,
    "VIRTIO_NET_F_MRG_RXBUF": 15,
    "VIRTIO_NET_F_MQ": 22,
    "VIRTIO_RING_F_INDIRECT_DESC": 28,
    "VIRTIO_RING_F_EVENT_IDX": 29,
    "VIRTIO_F_VERSION_1": 32,
    "VIRTIO_F_ACCESS_PLATFORM": 33,
    "VIRTIO_F_RING_PACKED": 34,
}

# Not offered: docs/architecture.md, "What a guest leaves to do"
ABSENT = {"VIRTIO_NET_F_GUEST_ECN", "VIRTIO_NET_F_GUEST_UFO", "VIRTIO_NET_F_HOST_UFO"}
RECEIVE = {"VIRTIO_NET_F_GUEST_CSUM", "VIRTIO_NET_F_GUEST_TSO4", "VIRTIO_NET_F_GUEST_TSO6"}


def expected(boot):
    """Return {bit's name: whether it has to be there} for a boot."""
    bits = {name: name not in ABSENT for name in BITS}
    bits["VIRTIO_F_ACCESS_PLATFORM"] = boot.translated
    bits["VIRTIO_F_RING_PACKED"] = boot.packed
    bits["VIRTIO_NET_F_MQ"] = boot.pairs > 1
    bits["VIRTIO_NET_F_MTU"] = boot.mtu != 1500
    bits.update((name, not boot.plain) for name in RECEIVE)
    return bits


def differences(found, wanted):
    """Compare what the guest's sysfs says (a 0 or 1 for each bit) with that."""
    return [("no " if present else "unasked ") + name for name, present in wanted.items()
            if (found[BITS[name]] == "1") != present]
