/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Included before each file of the contract's body when it is built for functions behind vfio and
 * iommufd (and, to test the player itself, for QEMU's device without a guest). There the program
 * cannot make the device's accesses, so an NVMe controller does what <dmamap/bus.h> would do. What
 * the device reads is written to its disk and then read into the player's own memory; what it
 * writes is transferred in the other direction.
 */
#ifndef TESTS_CONTRACT_NVME_PLAYER_H
#define TESTS_CONTRACT_NVME_PLAYER_H

#include "player.h"

/*
 * Prints a TAP plan that skips all, and exits, when `spec` is not available. For vfio and iommufd
 * the environment variable CONTRACT_FUNCTIONS names the controller, and other functions as idle
 * devices.
 */
void player_need(const char *spec);

#define CONTRACT_ON_NVME 1

#endif
