/** exp of the mean cross entropy in nats: the number of equally likely tokens the model hesitates between. */
export const perplexity = (meanLoss: number): number => Math.exp(Math.min(meanLoss, maxLoss));

/** Keeps the result finite, as logs and manifests need it; a model this bad is untrained. */
const maxLoss = 700;
