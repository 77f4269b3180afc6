/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef KMOD_LINUX_MOD_DEVICETABLE_H
#define KMOD_LINUX_MOD_DEVICETABLE_H

#include <linux/types.h>

typedef unsigned long kernel_ulong_t;
struct pci_device_id {
	__u32 vendor, device, subvendor, subdevice;
	__u32 class, class_mask;
	kernel_ulong_t driver_data;
	__u32 override_only;
};
struct eisa_device_id {
	char sig[8];
	kernel_ulong_t driver_data;
};

#endif
