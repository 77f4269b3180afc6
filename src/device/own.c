/* SPDX-License-Identifier: BSD-2-Clause */
#include "base/error.h"
#include "domain/device.h"

/*
 * The device then reaches RAM by another mapping than the CPU. On a machine that is not coherent it
 * does already. Addresses that its translation cache holds are of the old one.
 */
int dmamap_check_own(struct device *dev, bool on)
{
	u8 *view;
	int err;

	if (!dev || !dev->check)
		return error_set(EINVAL,
				 "%s: owners are watched by the checker, which is off: open the "
				 "device with check=1",
				 dev_name(dev));
	if (dev->domain->space.by_range)
		return error_set(EOPNOTSUPP,
				 "%s: owners are not watched where the kernel pins memory for the "
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
