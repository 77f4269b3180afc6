/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Included before each file of the contract's body when it is built for QEMU's devices: there the
 * program cannot play the device, so a virtio console does what <dmamap/bus.h> would. What the
 * device reads comes out of the console's socket, what it writes is put in there.
 */
#ifndef TESTS_CONTRACT_QEMU_PLAYER_H
#define TESTS_CONTRACT_QEMU_PLAYER_H

#include "player.h"

/* Prints a TAP plan that skips all, and leaves, when there is no QEMU here. */
void player_need_qemu(void);

#define CONTRACT_ON_QEMU 1

#endif
