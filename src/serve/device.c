/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The device that is served. A device whose model has no reset is closed and opened again with the
 * same spec, so it begins in its initial state. The client's windows stay.
 */
#include "base/alloc.h"
#include "base/error.h"
#include "device/model.h"
#include "serve/served.h"

#include <string.h>

/* Checks that a client can use the device. 0, -errno. */
static int served_device_check(const struct served *s, struct device *dev)
{
	if (dev->hw || !dev->model)
		return error_set(EINVAL,
				 "%s cannot be served: only a simulated device can, such as "
				 "sim:edu or sim:nvme,image=FILE",
				 s->config.spec);
	if (dmamap_readw(dev, DMAMAP_CONFIG, 0) == 0xffff)
		return error_set(EINVAL, "%s cannot be served: its model has no PCI description",
				 s->config.spec);
	if (!dev->iommu || dev->identity_mapped || dev->bus_offset || dev->domain->group)
		return error_set(EINVAL,
				 "%s cannot be served: the device's address space is the client's, "
				 "so iommu=0, policy=identity, policy=persistent, group= and "
				 "bus-offset= are not possible",
				 s->config.spec);
	return 0;
}

int served_device_open(struct served *s)
{
	struct device *dev = dmamap_open(s->config.spec);
	int err;

	if (!dev)
		return -errno;
	err = served_device_check(s, dev);
	if (err) {
		dmamap_close(dev);
		return err;
	}
	/* The driver's mappings are in another process, so the checker cannot check them. */
	dev->check = false;
	dmamap_set_drvdata(dev, s);
	dev->client = &access_client;
	write_once(&dev->line_eoi, true); /* the client unmasks the line */
	s->dev = dev;
	config_space_init(s);
	s->used = false;
	return 0;
}

void served_device_close(struct served *s)
{
	struct device *dev = s->dev;

	if (!dev)
		return;
	dmamap_close(dev);
	s->dev = NULL;
}

bool served_device_can_reset(const struct served *s)
{
	return s->dev && s->dev->model->reset && !(read_once(&s->dev->stuck) & DEVICE_STUCK);
}

/* Resets the device by its model's reset, or closes and opens it. 0, -errno. */
static int served_device_restart(struct served *s)
{
	int err;

	if (served_device_can_reset(s)) {
		err = dmamap_reset(s->dev, DMAMAP_RESET_FUNCTION);
		config_space_init(s);
		s->used = false;
		return err;
	}
	served_device_close(s);
	err = served_device_open(s);
	return err ? err : window_restore(s);
}

int served_device_reset(struct served *s)
{
	int err;

	serve_count(s, resets);
	err = served_device_restart(s);
	if (err) {
		served_device_close(s);
		report_event(s, SERVE_BROKEN, "the device does not work after its reset: %s",
			     error_text());
		return err;
	}
	irq_restore(s);
	return 0;
}
