/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Included before each file of the contract's body when it is built for QEMU's devices. There the
 * program cannot make the device's accesses, so a virtio console does what <dmamap/bus.h> would do.
 * What the device reads arrives at the console's socket, and what it writes is sent to that socket.
 */
#ifndef TESTS_CONTRACT_QEMU_PLAYER_H
#define TESTS_CONTRACT_QEMU_PLAYER_H

#include "player.h"

/* Prints a TAP plan that skips all, and exits, when there is no QEMU. */
void player_need_qemu(void);

#define CONTRACT_ON_QEMU 1

#endif
