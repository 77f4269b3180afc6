/* SPDX-License-Identifier: BSD-2-Clause */
/* Interrupts of a device in software. */
#ifndef DEVICE_IRQ_H
#define DEVICE_IRQ_H

#include "domain/device.h"

/* Its interrupts are of the best kind that the model has, all vectors. Before the model is made. */
void sim_irq_start(struct device *dev);

#endif
