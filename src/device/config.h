/* SPDX-License-Identifier: BSD-2-Clause */
/* A driver's writes to PCI configuration space, and the configuration space of a device in
 * software. */
#ifndef DEVICE_CONFIG_H
#define DEVICE_CONFIG_H

#include "domain/device.h"

#define CONFIG_BYTES 256

/*
 * Which bits a driver may change, and which bits are cleared by writing 1 to them, by offset. Both
 * follow from the capabilities that the device had when its space was first written.
 */
struct config_rules {
	u8 pass[CONFIG_BYTES];
	u8 clears[CONFIG_BYTES];
};

/* Changes what a driver may change. What else it would change stays, with an error message (EPERM).
 */
void config_write(struct device *dev, u64 offset, unsigned int size, u64 value);

/* At close. */
void config_free(struct device *dev);

/*
 * sim_config.c: makes the space that the model describes, and fills dev->bar. 0, -ENOMEM. A model
 * that describes none has none.
 */
int sim_config_make(struct device *dev);
u64 sim_config_read(struct device *dev, u64 offset, unsigned int size);
void sim_config_write(struct device *dev, u64 offset, unsigned int size, u64 value);

#endif
