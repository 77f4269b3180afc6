/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Included before each file of the contract's body when it is built for functions behind vfio and
 * iommufd (and, to try the player itself, for QEMU's with no guest): there the program cannot play the
 * device, so an NVMe controller does what <dmamap/bus.h> would. What the device reads goes to its disk
 * and comes back into the player's own memory; what it writes goes the other way.
 */
#ifndef TESTS_CONTRACT_NVME_PLAYER_H
#define TESTS_CONTRACT_NVME_PLAYER_H

#include <dmamap/bus.h>
#include <dmamap/device.h>

/*
 * Prints a TAP plan that skips all, and leaves, when `spec` cannot be had here. For vfio and iommufd the
 * environment's CONTRACT_FUNCTIONS names the controller, and other functions as devices that do nothing.
 */
void player_need(const char *spec);

struct device *player_open(const char *spec);
void player_close(struct device *dev);
int player_read(struct device *dev, dma_addr_t addr, void *buf, size_t n);
int player_write(struct device *dev, dma_addr_t addr, const void *buf, size_t n);
/* The last refused access, as the player saw it: a kernel that owns the IOMMU tells no process of faults. */
int player_fault_next(struct device *dev, struct dmamap_fault *f);

#define dmamap_open	      player_open
#define dmamap_close	      player_close
#define dmamap_bus_read	      player_read
#define dmamap_bus_write      player_write
#define dmamap_bus_fault_next player_fault_next

#define CONTRACT_ON_NVME 1

#endif
