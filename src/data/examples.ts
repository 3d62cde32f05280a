/** What one example of each task is. */

export interface ClassificationExample {
  text: string;
  textPair?: string;
  /** One class; several (multi-label), perhaps none; or a number to predict (regression). */
  label: string | string[] | number;
}

export interface TaggingExample {
  tokens: string[];
  tags: string[]; // one for each token
}

export interface QuestionExample {
  id: string;
  question: string;
  context: string;
  /** None where the context does not answer. `answerStart` is a JavaScript string index into the context. */
  answers: { text: string; answerStart: number }[];
}

export interface SimilarityExample {
  text: string;
  textPair: string;
  score: number; // on any scale, higher: more alike
}

export interface DocumentExample {
  /** Its sentences or paragraphs in order; for causal-lm, pieces that together are the exact text. */
  sentences: string[];
}

export interface TranslationExample {
  source: string;
  target: string;
}

export interface ChoiceExample {
  prompt: string;
  choices: string[];
  label: number; // index of the right choice
}

/** The example type of every task that can be read from a file. */
export interface ExamplesByTask {
  "text-classification": ClassificationExample;
  "token-classification": TaggingExample;
  "question-answering": QuestionExample;
  "sentence-similarity": SimilarityExample;
  "masked-lm": DocumentExample;
  "bert-pretraining": DocumentExample;
  "causal-lm": DocumentExample;
  "multiple-choice": ChoiceExample;
  translation: TranslationExample;
}

export type DataTask = keyof ExamplesByTask;
