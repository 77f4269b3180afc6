/* SPDX-License-Identifier: BSD-2-Clause */
#include "base/error.h"
#include "domain/device.h"

/*
 * With the owner check, the CPU and the device access RAM through different mappings. A device that
 * is not coherent has a mapping of its own already. The addresses in the translation caches belong
 * to the old mapping, so the caches are flushed.
 */
int dmamap_check_own(struct device *dev, bool on)
{
	u8 *view;
	int err;

	if (!dev || !dev->check)
		return error_set(EINVAL,
				 "%s: the owner check needs the checker, which is off: open the "
				 "device with check=1",
				 dev_name(dev));
	if (dev->domain->space.by_range)
		return error_set(
			EOPNOTSUPP,
			"%s: the owner check is not available if the kernel pins memory for the "
			"device",
			dev->name);
	if (!on) {
		write_once(&dev->shadow.own, false);
		check_own_end(&dev->shadow);
		return 0;
	}
	err = check_own_begin(&dev->shadow, &view);
	if (err)
		return err;
	if (dev->coherent) {
		write_once(&dev->view, view);
		domain_flush(dev->domain);
	}
	write_once(&dev->shadow.own, true);
	return 0;
}
