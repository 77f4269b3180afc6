/* SPDX-License-Identifier: BSD-2-Clause */
/* Latency requests are accepted without effect, since there are no processor sleep states. */
#ifndef KMOD_LINUX_PM_QOS_H
#define KMOD_LINUX_PM_QOS_H

#include <linux/device.h>

#define PM_QOS_DEFAULT_VALUE (-1)
struct pm_qos_request {
	s32 value;
};
static inline void cpu_latency_qos_add_request(struct pm_qos_request *r, s32 value)
{
	r->value = value;
}
static inline void cpu_latency_qos_update_request(struct pm_qos_request *r, s32 value)
{
	r->value = value;
}
static inline void cpu_latency_qos_remove_request(struct pm_qos_request *r)
{
	r->value = PM_QOS_DEFAULT_VALUE;
}

#endif
