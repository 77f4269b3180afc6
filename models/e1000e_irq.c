/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Interrupts. Causes accumulate in ICR. The model uses MSI-X once IVAR has a valid entry: RXQ0,
 * TXQ0 and OTHER are then routed to the vectors in IVAR. Otherwise every cause uses vector 0. A
 * vector becomes due when a cause is set that IMS enables, or when IMS enables a cause that is set.
 * The worker raises it after the interval of ITR or EITR has passed, unless the driver has cleared
 * the cause meanwhile.
 *
 * Reading ICR clears it if an interrupt is asserted or if all causes are masked; otherwise the read
 * has no effect. CTRL_EXT.IAME then also masks the causes in IAM. EIAC and CTRL_EXT.EIAME do the
 * same for MSI-X when the vector is raised.
 */
#include "e1000e.h"

#define ITR_NS 256u

static const struct {
	u32 cause;
	u32 shift; /* bit position of its IVAR entry: three bits of vector, then the valid bit */
} entries[] = {
	{ICR_RXQ0, 0}, {ICR_RXQ1, 4}, {ICR_TXQ0, 8}, {ICR_TXQ1, 12}, {ICR_OTHER, 16},
};

#define IVAR_VALID 0x88888u

static u32 e1000esim_irq_word(const struct e1000e_regs *r, u32 offset)
{
	return r->word[offset / 4];
}

/* The causes that are routed to a vector. */
static u32 e1000esim_irq_causes_of(const struct e1000e_regs *r, u32 vector)
{
	u32 ivar = e1000esim_irq_word(r, REG_IVAR), i, causes = 0;

	if (!(ivar & IVAR_VALID))
		return vector ? 0 : ICR_CAUSES;
	for (i = 0; i < ARRAY_SIZE(entries); i++) {
		if ((ivar >> entries[i].shift & 15) == (8 | vector))
			causes |= entries[i].cause;
	}
	return causes;
}

static void e1000esim_irq_make_due(struct e1000e_regs *r, u32 causes)
{
	u32 v, due = r->due;

	causes &= r->icr & r->ims;
	for (v = 0; causes && v < E1000E_VECTORS; v++) {
		if (causes & e1000esim_irq_causes_of(r, v))
			due |= 1u << v;
	}
	write_once(&r->due, due);
}

void e1000e_cause(struct e1000e_regs *r, u32 causes)
{
	if (causes & ICR_OTHER_CAUSES)
		causes |= ICR_OTHER;
	r->icr |= causes;
	e1000esim_irq_make_due(r, causes);
}

void e1000e_ims_set(struct e1000e_regs *r, u32 causes)
{
	causes &= ICR_CAUSES & ~r->ims;
	r->ims |= causes;
	e1000esim_irq_make_due(r, causes);
}

u32 e1000e_icr_read(struct e1000e_regs *r)
{
	u32 asserted = r->icr & r->ims, value = r->icr;

	if (asserted)
		value |= ICR_ASSERTED;
	if (asserted || !r->ims)
		r->icr = 0;
	if (asserted && (e1000esim_irq_word(r, REG_CTRL_EXT) & CTRL_EXT_IAME))
		r->ims &= ~e1000esim_irq_word(r, REG_IAM);
	return value;
}

static u64 e1000esim_irq_interval_ns(const struct e1000e_regs *r, u32 vector)
{
	u32 offset = e1000esim_irq_word(r, REG_IVAR) & IVAR_VALID ? REG_EITR + 4 * vector : REG_ITR;

	return (u64)(e1000esim_irq_word(r, offset) & 0xffff) * ITR_NS;
}

/* Returns whether the vector is to be raised now. Under the lock. */
static bool e1000esim_irq_take_due(struct e1000esim *c, u32 vector, u64 now)
{
	struct e1000e_regs *r = &c->regs;
	u32 causes = e1000esim_irq_causes_of(r, vector) & r->icr & r->ims;

	if (causes && now < r->next_ns[vector]) {
		if (!c->irq_at_ns || r->next_ns[vector] < c->irq_at_ns)
			c->irq_at_ns = r->next_ns[vector];
		return false;
	}
	write_once(&r->due, r->due & ~(1u << vector));
	if (!causes)
		return false;
	r->next_ns[vector] = now + e1000esim_irq_interval_ns(r, vector);
	if (e1000esim_irq_word(r, REG_IVAR) & IVAR_VALID) {
		r->icr &= ~(e1000esim_irq_word(r, REG_EIAC) & causes);
		if (e1000esim_irq_word(r, REG_CTRL_EXT) & CTRL_EXT_EIAME)
			r->ims &= ~(e1000esim_irq_word(r, REG_IAM) & causes);
	}
	return true;
}

void e1000e_irq_run(struct e1000esim *c)
{
	u32 v, raise = 0;

	c->irq_at_ns = 0;
	if (!read_once(&c->regs.due) || read_once(&c->gone))
		return;
	if (!c->now_ns)
		c->now_ns = dmamap_model_clock();
	dmamap_model_lock(&c->regs.lock);
	for (v = 0; v < E1000E_VECTORS; v++) {
		if ((c->regs.due >> v & 1) && e1000esim_irq_take_due(c, v, c->now_ns))
			raise |= 1u << v;
	}
	c->regs.stat[ST_IAC] += (u64)__builtin_popcount(raise);
	dmamap_model_unlock(&c->regs.lock);
	for (; raise; raise &= raise - 1)
		dmamap_model_interrupt(c->dev, (unsigned int)__builtin_ctz(raise));
}

/* A throttled cause does not assert the line yet; the worker raises it when its interval ends. */
bool e1000e_line(void *model)
{
	struct e1000esim *c = model;
	bool asserted;

	if (read_once(&c->gone))
		return false;
	dmamap_model_lock(&c->regs.lock);
	asserted = (c->regs.icr & c->regs.ims & ICR_CAUSES) && !(c->regs.due & 1);
	dmamap_model_unlock(&c->regs.lock);
	return asserted;
}
