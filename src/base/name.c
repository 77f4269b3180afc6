/* SPDX-License-Identifier: BSD-2-Clause */
#include "base/name.h"

#include <dmamap/device.h>

const char *dev_name(const struct device *dev)
{
	return dev ? ((const struct device_head *)(const void *)dev)->name : "(no device)";
}
