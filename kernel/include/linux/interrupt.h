/* SPDX-License-Identifier: BSD-2-Clause */
/* Interrupts: every requested line has a thread that represents the interrupted processor. */
#ifndef KMOD_LINUX_INTERRUPT_H
#define KMOD_LINUX_INTERRUPT_H

#include <linux/workqueue.h>
#include <linux/io.h>

typedef enum irqreturn { IRQ_NONE, IRQ_HANDLED, IRQ_WAKE_THREAD } irqreturn_t;
typedef irqreturn_t (*irq_handler_t)(int irq, void *dev_id);
#define IRQ_RETVAL(x)	  ((x) ? IRQ_HANDLED : IRQ_NONE)
#define IRQF_SHARED	  0x00000080
#define IRQF_ONESHOT	  0x00002000
#define IRQF_NO_AUTOEN	  0x00080000
#define IRQF_PROBE_SHARED 0x00000100
int request_threaded_irq(unsigned int irq, irq_handler_t handler, irq_handler_t thread,
			 unsigned long flags, const char *name, void *dev_id);
#define request_irq(irq, h, flags, name, id) request_threaded_irq(irq, h, NULL, flags, name, id)
const void *free_irq(unsigned int irq, void *dev_id);
int devm_request_threaded_irq(struct device *dev, unsigned int irq, irq_handler_t handler,
			      irq_handler_t thread, unsigned long flags, const char *name,
			      void *id);
#define devm_request_irq(d, irq, h, flags, name, id)                                               \
	devm_request_threaded_irq(d, irq, h, NULL, flags, name, id)
void disable_irq(unsigned int irq);
void disable_irq_nosync(unsigned int irq);
void enable_irq(unsigned int irq);
void synchronize_irq(unsigned int irq);
bool disable_hardirq(unsigned int irq);
/* Probing for an interrupt number always returns 0, since no device here needs it. */
unsigned long probe_irq_on(void);
int probe_irq_off(unsigned long mask);
static inline int irq_set_affinity_hint(unsigned int irq, const void *mask)
{
	return 0;
}

#endif
