/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Where the program cannot make the device's accesses, a real driver of a real device does what
 * <dmamap/bus.h> would do. This file is included before each file of the contract's body and
 * replaces the functions of <dmamap/bus.h> by those of the player.
 */
#ifndef TESTS_CONTRACT_PLAYER_H
#define TESTS_CONTRACT_PLAYER_H

#include <dmamap/bus.h>
#include <dmamap/device.h>

struct device *player_open(const char *spec);
void player_close(struct device *dev);
int player_read(struct device *dev, dma_addr_t addr, void *buf, size_t n);
int player_write(struct device *dev, dma_addr_t addr, const void *buf, size_t n);
/*
 * The last refused access with the address and length that the player requested. VT-d itself
 * reports only the page, and a kernel that owns the IOMMU reports no faults to processes.
 */
int player_fault_next(struct device *dev, struct dmamap_fault *f);

#define dmamap_open	      player_open
#define dmamap_close	      player_close
#define dmamap_bus_read	      player_read
#define dmamap_bus_write      player_write
#define dmamap_bus_fault_next player_fault_next

#endif
