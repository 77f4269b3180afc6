# SPDX-License-Identifier: BSD-2-Clause
# A thin front over meson. Each target first installs the Debian packages that it lacks when run as
# root, and names them when it is not.
#
#   make            build the library and the command, into $(BUILD)
#   make demo       copy a file through an NVMe controller and back, four ways
#   make check      all tests; make check STEPS="gcc docs" runs only those (tests/run-checks --list)
#   make vm-check   the part of it that needs a virtual machine: vfio and iommufd behind a real kernel's IOMMU
#   make vm-bench   what mappings cost there, as JSON
#   make bench      how fast each layer is, on this machine; JSON=1 for machines
#   make install    to $(DESTDIR)$(PREFIX)
#   make clean      remove what the others made in the tree

BUILD ?= build
PREFIX ?= /usr/local
DESTDIR ?=
STEPS ?=

BUILD_PACKAGES := gcc libc6-dev meson ninja-build pkgconf libjson-c-dev libpcap-dev \
	libdw-dev libxdp-dev libbpf-dev
# g++: headers in C++. libbz2-dev: what libdw needs in static programs. libclang-rt-dev: sanitizers and
# libFuzzer. clang-format, clang-tidy: the step style. git: the files that it looks at. groff-base: the man pages' lint. spin: models.
CHECK_PACKAGES := $(BUILD_PACKAGES) libbz2-dev clang clang-format clang-tidy libclang-rt-dev g++ libcmocka-dev valgrind git groff-base spin
# linux-kbuild-6.1: the kernel-doc tool, which parses the comments of the public headers.
# Tests that need these are skipped, and counted, where they cannot be installed; rows of benchmarks are missing.
# From busybox on: the virtual machine, its root file system and its kernel, which is built here.
WANTED_PACKAGES := qemu-system-x86 libucx-dev busybox-static linux-source-6.12 flex bison bc libelf-dev linux-kbuild-6.1

# The system's meson and python come before any that a user's own path would put in front.
export PATH := /usr/bin:/bin:/usr/sbin:/sbin:$(PATH)

ifeq ($(origin CC),default)
CC := gcc
endif

SETUP = CC='$(CC)' meson setup $(BUILD) --buildtype=release -Dtests=false --prefix='$(PREFIX)'

all: build

build: need-build
	@test -f $(BUILD)/build.ninja || { rm -rf $(BUILD) && $(SETUP); }
	@ninja -C $(BUILD)

demo: build
	@examples/demo.sh $(BUILD)/cli/dmamap

check: need-check want-packages
	@tests/run-checks $(STEPS)

vm-check: need-check want-packages
	@tests/run-checks vm

vm-bench: need-check want-packages
	@tests/run-checks --build build-gcc
	@tests/vm/run bench

bench: build
	@bench/run $(BUILD)/cli/dmamap $(if $(JSON),--json)

install: build
	@meson configure $(BUILD) -Dprefix='$(PREFIX)'
	@DESTDIR='$(DESTDIR)' meson install -C $(BUILD)
	@if [ -z '$(DESTDIR)' ] && [ "$$(id -u)" = 0 ]; then ldconfig; fi

clean:
	rm -rf build build-*

need-build: PACKAGES = $(BUILD_PACKAGES)
need-check: PACKAGES = $(CHECK_PACKAGES)

# On a system without dpkg, whatever is missing shows itself.
need-build need-check:
	@command -v dpkg-query > /dev/null || exit 0; \
	missing=; for package in $(PACKAGES); do \
		dpkg-query -W -f '$${Status}' $$package 2> /dev/null | grep -q ' installed$$' || \
			missing="$$missing $$package"; \
	done; \
	test -n "$$missing" || exit 0; \
	if [ "$$(id -u)" != 0 ]; then \
		echo "These packages are missing: as root, run" >&2; \
		echo "    apt-get install --no-install-recommends$$missing" >&2; exit 1; \
	fi; \
	echo "installing$$missing"; export DEBIAN_FRONTEND=noninteractive; \
	apt-get -qq update && apt-get -qq install -y --no-install-recommends $$missing > /dev/null

want-packages: need-check
	@command -v dpkg-query > /dev/null && [ "$$(id -u)" = 0 ] || exit 0; \
	for package in $(WANTED_PACKAGES); do \
		dpkg-query -W -f '$${Status}' $$package 2> /dev/null | grep -q ' installed$$' && continue; \
		echo "installing $$package"; export DEBIAN_FRONTEND=noninteractive; \
		apt-get -qq install -y --no-install-recommends $$package > /dev/null 2>&1 || \
			{ apt-get -qq update && \
			  apt-get -qq install -y --no-install-recommends $$package > /dev/null; } || \
			echo "$$package cannot be installed: its tests will be skipped" >&2; \
	done

.PHONY: all build demo check vm-check vm-bench bench install clean need-build need-check want-packages
