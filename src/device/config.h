/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A driver's writes to PCI configuration space, and the configuration space of a simulated device.
 */
#ifndef DEVICE_CONFIG_H
#define DEVICE_CONFIG_H

#include "domain/device.h"

#define CONFIG_BYTES 256

/* Addresses of a simulated device's regions: those below 4 GiB, and the larger ones above. */
#define SIM_MEMORY_STEP (4ull << 20) /* for the regions of one device below 4 GiB */
#define SIM_HIGH_FROM	(1ull << 20) /* 64-bit regions above this size are above 4 GiB */

/* Vendor-specific capabilities of a simulated device, each a multiple of 4 bytes. */
#define SIM_CAPABILITIES_FIRST	0xbcu
#define SIM_CAPABILITIES_BYTES	(CONFIG_BYTES - SIM_CAPABILITIES_FIRST)
#define SIM_CAPABILITY_BYTES(n) (((u64)(n) + 3 + 3) & ~3ull)

/*
 * The bits that a driver may change, and the bits that are cleared by writing 1, by offset. Both
 * follow from the capabilities that the device had when its configuration space was first written.
 */
struct config_rules {
	u8 pass[CONFIG_BYTES];
	u8 clears[CONFIG_BYTES];
};

/*
 * Writes the bits that a driver may change. If other bits would change, sets an error message
 * (EPERM).
 */
void config_write(struct device *dev, u64 offset, unsigned int size, u64 value);

/* Called when the device is closed. */
void config_free(struct device *dev);

/*
 * sim_config.c: creates the space that the model describes, and fills dev->bar. Returns 0 or
 * -ENOMEM. A model without a description has no configuration space.
 */
int sim_config_make(struct device *dev);
u64 sim_config_read(struct device *dev, u64 offset, unsigned int size);
void sim_config_write(struct device *dev, u64 offset, unsigned int size, u64 value);

#endif
