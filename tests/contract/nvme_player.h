/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Included before each file of the contract's body when it is built for functions behind vfio and
 * iommufd (and, to try the player itself, for QEMU's with no guest): there the program cannot play
 * the device, so an NVMe controller does what <dmamap/bus.h> would. What the device reads goes to
 * its disk and comes back into the player's own memory; what it writes goes the other way.
 */
#ifndef TESTS_CONTRACT_NVME_PLAYER_H
#define TESTS_CONTRACT_NVME_PLAYER_H

#include "player.h"

/*
 * Prints a TAP plan that skips all, and leaves, when `spec` cannot be had here. For vfio and
 * iommufd the environment's CONTRACT_FUNCTIONS names the controller, and other functions as devices
 * that do nothing.
 */
void player_need(const char *spec);

#define CONTRACT_ON_NVME 1

#endif
