#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
# image.sh - Make the test guest: Debian's 6.12 cloud kernel, a busybox, DPDK
#
# usage: image.sh DIRECTORY
#
# Leaves DIRECTORY/vmlinuz and DIRECTORY/initrd, which is not compressed: an
# emulated processor unpacks slower than QEMU loads.  The kernel package is
# downloaded once, not installed; the programs are this machine's own, from its
# Debian packages.  The image is made again when the kernel package, one of the
# programs or their libraries, init or this file changes.  Without a network an
# image made before is good enough, and that is said.

set -eu
PATH=$PATH:/usr/sbin:/sbin

here=$(cd "$(dirname "$0")" && pwd)
mkdir -p "$1"
cache=$(cd "$1" && pwd)
meta=linux-image-6.12-cloud-amd64
busybox=$(command -v busybox)
wanted="virtio-iommu virtio_net vfio_iommu_type1 vfio-pci uio_pci_generic"
programs="iperf3 ethtool dpdk-testpmd"

# What dpdk-testpmd loads by itself, from where DPDK looks for its drivers
pmds=$(echo /usr/lib/*/dpdk/pmds-23.0)
drivers="librte_net_virtio.so.23.0 librte_mempool_ring.so.23.0"

# apt_own() - Use package lists of our own
#
# A Debian 12 whose sources lack the security suite has no 6.12.  Its sources
# are not ours to change, so the lists of that suite go into the cache.
apt_own() {
    mkdir -p "$cache/apt/lists/partial" "$cache/apt/archives/partial"
    echo "deb http://deb.debian.org/debian-security bookworm-security main" \
        > "$cache/apt/sources.list"
    apt_options="-o Dir::Etc::sourcelist=$cache/apt/sources.list -o Dir::Etc::sourceparts=-
        -o Dir::State::lists=$cache/apt/lists -o Dir::Cache=$cache/apt"
    # shellcheck disable=SC2086
    apt-get $apt_options -qq update
}

# package_find() - Set package to the real one the meta package stands for
package_find() {
    # shellcheck disable=SC2086
    package=$(apt-cache $apt_options depends "$meta" 2>/dev/null |
        sed -n 's/^ *Depends: \(linux-image-.*\)/\1/p' | head -n 1)
    [ -n "$package" ] || return 1
    # shellcheck disable=SC2086
    version=$(apt-cache $apt_options show "$package" | sed -n 's/^Version: //p' | head -n 1)
}

# package_fetch() - Set deb to the package's file, downloaded if it is not there
package_fetch() {
    deb=$(find "$cache" -maxdepth 1 -name "${package}_${version}_*.deb")
    [ -z "$deb" ] || return 0
    echo "image.sh: downloading $package $version"
    rm -f "$cache"/linux-image-*.deb
    # shellcheck disable=SC2086
    (cd "$cache" && apt-get $apt_options -qq -o APT::Sandbox::User=root download "$package") ||
        return 1
    deb=$(find "$cache" -maxdepth 1 -name "${package}_*.deb")
}

# module_file() - Find a module by either spelling of its name
module_file() {
    find "$tree/lib/modules" -name "$(echo "$1" | sed 's/[-_]/[-_]/g').ko*"
}

# module_add() - Put a module into the image after those it needs
#
# What it needs stands in its own .modinfo; modules.dep is made by depmod when
# a kernel is installed, and this one is not.
module_add() {
    case " $added " in *" $1 "*) return ;; esac
    file=$(module_file "$1")
    if [ -z "$file" ]; then
        echo "image.sh: no module $1 in $package" >&2
        exit 1
    fi
    xz -dc "$file" > "$tree/module.ko"
    for need in $(tr '\0' '\n' < "$tree/module.ko" | sed -n 's/^depends=//p' | tr ',' ' '); do
        module_add "$need"
    done
    added="$added $1"
    position=$((position + 1))
    xz -dc "$(module_file "$1")" > "$root/modules/$(printf '%02d' $position)-$1.ko"
}

# libraries() - Print the libraries of a program or library, and its loader
libraries() {
    ldd "$1" | sed -n 's/.*=> \(\/[^ ]*\) .*/\1/p; s/^[[:space:]]*\(\/[^ ]*\) .*/\1/p'
}

# inputs() - Print every file of this machine that goes into the image
inputs() {
    for program in $programs; do
        command -v "$program"
        libraries "$(command -v "$program")"
    done
    for driver in $drivers; do
        echo "$pmds/$driver"
        libraries "$pmds/$driver"
    done
}

# file_add() - Put a file where it really is, and a link where it was asked for
#
# DPDK loads every driver in its folder, and knows by the file alone that it has
# one already: a copy in place of a link would register each driver twice.
file_add() {
    real=$(readlink -f "$1")
    named=$(readlink -f "$(dirname "$1")")/$(basename "$1")
    mkdir -p "$root$(dirname "$real")" "$root$(dirname "$named")"
    [ -e "$root$real" ] || cp "$real" "$root$real"
    [ "$named" = "$real" ] || ln -sf "$real" "$root$named"
}

apt_options=
if ! package_find && ! { apt_own && package_find; }; then
    if [ -e "$cache/stamp" ]; then
        echo "image.sh: $meta cannot be resolved, keeping the image made before" >&2
        exit 0
    fi
    echo "image.sh: no $meta in the package lists, and none made before" >&2
    exit 1
fi

files=$(inputs | sort -u)
# shellcheck disable=SC2086
stamp="$version $(cat "$busybox" "$here/init" "$here/image.sh" $files | sha256sum)"
if [ -e "$cache/stamp" ] && [ "$(cat "$cache/stamp")" = "$stamp" ]; then
    exit 0
fi
rm -f "$cache/stamp"

# Old lists name a package that the archive has replaced since
package_fetch || { apt_own && package_find && package_fetch; }

tree=$cache/tree
root=$cache/root
rm -rf "$tree" "$root"
mkdir -p "$tree" "$root/bin" "$root/modules" "$root/usr/lib" "$root/usr/lib64"
ln -s usr/lib usr/lib64 "$root"
dpkg-deb -x "$deb" "$tree"
cp "$busybox" "$root/bin/busybox"
ln -s busybox "$root/bin/sh"
cp "$here/init" "$root/init"
chmod 755 "$root/init"
added=
position=0
for module in $wanted; do
    module_add "$module"
done
for file in $files; do
    file_add "$file"
done
(cd "$root" && find . | cpio --quiet -o -H newc) > "$cache/initrd"
rm -f "$cache/initrd.gz"
cp "$tree"/boot/vmlinuz-* "$cache/vmlinuz"
rm -rf "$tree" "$root"
echo "$version ${stamp#* }" > "$cache/stamp"
echo "image.sh: guest image of $package $version with$added"
