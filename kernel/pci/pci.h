/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Declarations that the files of kernel/pci share. There is one PCI function: the device that the
 * command opened.
 */
#ifndef KMOD_PCI_PRIVATE_H
#define KMOD_PCI_PRIVATE_H

#include <linux/pci.h>
#include <kmod/control.h>
#include "../core/core.h"

extern struct pci_dev *kmod_pci_device; /* The opened function, or NULL. */
int kmod_pci_create(struct dmamap_device *dma);
void kmod_pci_destroy(void);
/* The bound driver: unbind as module_exit() does, suspend and resume. */
struct pci_driver *kmod_pci_driver(void);
void kmod_pci_unbind(void);
int kmod_pci_suspend_resume(void);
void kmod_irq_stop(void);
/* Whether a handler is due or runs. */
bool kmod_irq_busy(void);

#endif
