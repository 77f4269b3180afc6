/* SPDX-License-Identifier: BSD-2-Clause */
/* Interrupts of a simulated device. */
#ifndef DEVICE_IRQ_H
#define DEVICE_IRQ_H

#include "domain/device.h"

/*
 * Sets up the best kind of interrupt that the model has, with all vectors. Called before the model
 * is created.
 */
void sim_irq_start(struct device *dev);

#endif
