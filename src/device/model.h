/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What a device in software gives to the library, and what it may ask of it beside
 * <dmamap/bus.h>. Register calls come from any of the driver's threads at once; the model does its
 * DMA in a thread of its own.
 */
#ifndef DEVICE_MODEL_H
#define DEVICE_MODEL_H

#include <dmamap/bus.h>
#include <dmamap/device.h>
#include <dmamap/types.h>

struct model_arg { /* one key of the spec that the model named in `keys` */
	const char *key;
	const char *value;
};

struct model_bar {
	u64 size;  /* a power of two; 0: there is none */
	u32 flags; /* DMAMAP_BAR_* */
};

/* What configuration space says of a device. */
struct model_pci {
	u16 vendor, device, subsystem_vendor, subsystem;
	u32 class_code; /* 24 bits: class, subclass, programming interface */
	u8 revision;
	u8 msi, msix; /* messages of each kind; 0: none */
	u8 msix_bar;  /* where the table of MSI-X and its pending bits would be: dmamap's */
	bool express; /* a PCI Express endpoint */
	bool line;    /* has an interrupt line: model_ops.line */
	u32 msix_table, msix_pending;
	struct model_bar bar[6];
};

struct model_ops {
	const char *name;	 /* sim:NAME */
	const char *const *keys; /* spec keys that it takes, NULL-terminated */
	const struct model_pci *pci;
	unsigned int vectors; /* interrupts that it has, of the kind that has most */
	/*
	 * Makes the model and starts its thread. 0, or -errno with a sentence (base/error.h) that
	 * names what was wrong; nothing stays behind on failure.
	 */
	int (*create)(struct device *dev, const struct model_arg *args, int n_args, void **model);
	/* Stops every thread of it and frees it. No access of its own runs after that. */
	void (*destroy)(void *model);
	/* size is 4 or 8, offset a multiple of it; a register that is not there reads all ones. */
	u64 (*read)(void *model, int bar, u64 offset, unsigned int size);
	void (*write)(void *model, int bar, u64 offset, unsigned int size, u64 value);
	/* Where pci->line: whether the interrupt line is asserted now. Any thread. */
	bool (*line)(void *model);
};

/*
 * An interrupt: a message of the vector, or, where the driver chose the line, the line rises. Any
 * thread, from create to destroy.
 */
void model_interrupt(struct device *dev, unsigned int vector);

extern const struct model_ops model_dmaengine, model_e1000e, model_edu, model_nvme;

#endif
