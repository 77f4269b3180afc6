/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Included before each file of the contract's body when it is built for QEMU's devices: there the
 * program cannot play the device, so a virtio console does what <dmamap/bus.h> would. What the device
 * reads comes out of the console's socket, what it writes is put in there.
 */
#ifndef TESTS_CONTRACT_QEMU_PLAYER_H
#define TESTS_CONTRACT_QEMU_PLAYER_H

#include <dmamap/bus.h>
#include <dmamap/device.h>

/* Prints a TAP plan that skips all, and leaves, when there is no QEMU here. */
void player_need_qemu(void);

struct device *player_open(const char *spec);
void player_close(struct device *dev);
int player_read(struct device *dev, dma_addr_t addr, void *buf, size_t n);
int player_write(struct device *dev, dma_addr_t addr, const void *buf, size_t n);
/* With the address and length of the access: VT-d itself tells of its page only. */
int player_fault_next(struct device *dev, struct dmamap_fault *f);

#define dmamap_open	      player_open
#define dmamap_close	      player_close
#define dmamap_bus_read	      player_read
#define dmamap_bus_write      player_write
#define dmamap_bus_fault_next player_fault_next

#define CONTRACT_ON_QEMU 1

#endif
