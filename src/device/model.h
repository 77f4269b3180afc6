/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The interface between a simulated device and the library, in addition to <dmamap/bus.h>. Register
 * accesses come from any of the driver's threads concurrently; the model does its DMA in its own
 * thread.
 */
#ifndef DEVICE_MODEL_H
#define DEVICE_MODEL_H

#include <dmamap/bus.h>
#include <dmamap/device.h>
#include <dmamap/types.h>

struct model_arg { /* a key of the spec that the model lists in `keys` */
	const char *key;
	const char *value;
};

struct model_bar {
	u64 size;  /* a power of two; 0: the BAR does not exist */
	u32 flags; /* DMAMAP_BAR_* */
};

/* The content of the device's configuration space. */
struct model_pci {
	u16 vendor, device, subsystem_vendor, subsystem;
	u32 class_code; /* 24 bits: class, subclass, programming interface */
	u8 revision;
	u8 msi, msix; /* number of messages of each kind; 0: none */
	u8 msix_bar;  /* BAR of the MSI-X table and its pending bits, which dmamap emulates */
	bool express; /* a PCI Express endpoint */
	bool line;    /* has an interrupt line, see model_ops.line */
	u32 msix_table, msix_pending;
	struct model_bar bar[6];
};

struct model_ops {
	const char *name;	 /* sim:NAME */
	const char *const *keys; /* spec keys that the model accepts, NULL-terminated */
	const struct model_pci *pci;
	unsigned int vectors; /* largest number of interrupts of any kind */
	/*
	 * Creates the model and starts its thread. Returns 0, or -errno with an error message
	 * (base/error.h) that names the wrong value. Nothing is left allocated on failure.
	 */
	int (*create)(struct device *dev, const struct model_arg *args, int n_args, void **model);
	/* Stops every thread of the model and frees it. The model makes no access after that. */
	void (*destroy)(void *model);
	/*
	 * size is 4 or 8 and offset a multiple of it; a register that does not exist reads as all
	 * ones.
	 */
	u64 (*read)(void *model, int bar, u64 offset, unsigned int size);
	void (*write)(void *model, int bar, u64 offset, unsigned int size, u64 value);
	/* With pci->line: returns whether the interrupt line is asserted. Called by any thread. */
	bool (*line)(void *model);
};

/*
 * Raises an interrupt: a message of the vector, or, if the driver uses the line, a rising edge of
 * the line. May be called by any thread, from create to destroy.
 */
void model_interrupt(struct device *dev, unsigned int vector);

extern const struct model_ops model_dmaengine, model_e1000e, model_edu, model_nvme;

#endif
