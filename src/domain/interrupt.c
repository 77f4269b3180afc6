/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The eventfds of a device's interrupts. They exist from open to close, as many as any kind of its
 * interrupts needs, so that a thread that waits for one never waits for a descriptor that was
 * closed; `n_irq` is the number of those in use.
 *
 * An interrupt line is a level. It is signalled once when it is asserted, and then not before its
 * handler has run (device_line_rearm()): a signal at every check of an asserted line would never
 * end. `line_fired` is set before the signal, so that a handler that was started by the signal
 * finds it set.
 */
#include "base/math.h"
#include "domain/device.h"

#include <unistd.h>

void device_interrupt(struct device *dev, unsigned int vector)
{
	const u64 one = 1;

	if (vector >= read_acquire(&dev->n_irq))
		return;
	if (dev->client)
		dev->client->interrupt(dev, vector);
	else if (write(dev->irq_fd[vector], &one, sizeof(one)) < 0)
		return; /* the counter is full, so it is readable */
}

void device_line_raised(struct device *dev)
{
	write_release(&dev->line_fired, true);
	device_interrupt(dev, 0);
}

void device_line_rearm(struct device *dev)
{
	if (__atomic_exchange_n(&dev->line_fired, false, __ATOMIC_ACQ_REL) &&
	    dev->ops.irq_rearm(dev))
		device_line_raised(dev);
}

void device_irq_begin(struct device *dev, enum dmamap_irq_kind kind, unsigned int vectors)
{
	u64 count;

	write_release(&dev->n_irq, 0);
	for (unsigned int i = 0; i < dev->n_irq_fd; i++)
		if (read(dev->irq_fd[i], &count, sizeof(count)) < 0)
			continue; /* it was empty */
	write_once(&dev->line_fired, false);
	write_release(&dev->irq_kind, (u32)kind);
	write_release(&dev->n_irq, (unsigned int)min_u64(vectors, dev->n_irq_fd));
}
